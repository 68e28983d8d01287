"""Suites from other tools' files, and runs for other tools to read."""
