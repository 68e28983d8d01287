"""What a run says in words, the same in every report."""
