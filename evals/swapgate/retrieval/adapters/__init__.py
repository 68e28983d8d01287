"""Vector stores behind the one Protocol of `retrieval.index`, one file each."""
