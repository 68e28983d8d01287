"""From compared exchanges to promote, hold, inconclusive or rollback."""
