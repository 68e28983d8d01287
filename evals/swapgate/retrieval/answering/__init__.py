"""Both swaps, of the embedding and of the answering model, judged end to end: which of them broke it."""
