"""The goals of the statistics, one module a group: each returns its table."""
