"""swapgate decides whether one language model may replace another behind a production feature."""

__version__ = "0.1.0"
