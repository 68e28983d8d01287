"""A verification of two indexes as people read it: in the terminal and as Markdown."""
