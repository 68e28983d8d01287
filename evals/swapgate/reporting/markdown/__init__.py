"""report.md: the run for a pull request."""
