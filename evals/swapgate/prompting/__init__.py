"""Prompts looked at as files: what is wrong with one, and how it differs between models."""
