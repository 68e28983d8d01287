"""The migration of a vector index as people see it: the cells of its tables, and its page."""
