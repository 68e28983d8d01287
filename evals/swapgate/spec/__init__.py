"""The language that people write: suites, cases, models, prompts, judges and settings. Reads files, calls nothing."""
