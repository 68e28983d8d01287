"""What is remembered: responses, batches, runs, prices; and how it gets to disk."""
