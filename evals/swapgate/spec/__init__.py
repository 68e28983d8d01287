"""The language that people write: suites, models, prompts, judges, settings. Reads files, calls nothing."""
