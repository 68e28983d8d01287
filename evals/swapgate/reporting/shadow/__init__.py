"""The report on a candidate in shadow: terminal, Markdown, HTML, JSON, all from the same cells."""
