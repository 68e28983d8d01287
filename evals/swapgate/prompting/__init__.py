"""Prompts between models: linted, rendered side by side, audited on cases, an override suggested."""
