"""Decisions: what a run's trials say about a model, against limits and against a baseline."""
