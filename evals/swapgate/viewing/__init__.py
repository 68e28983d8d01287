"""The history as local web pages, read only: runs, trends, two runs compared, a case across runs."""
