"""The report on both swaps, one module a format."""
