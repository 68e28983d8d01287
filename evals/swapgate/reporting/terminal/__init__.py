"""A run in the terminal: its summary, and one trial explained."""
