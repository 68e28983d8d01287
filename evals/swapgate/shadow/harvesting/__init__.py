"""Disagreements as cases for a person to label."""
