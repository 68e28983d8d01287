"""pytest drives: items from YAML, one session's hooks, trials on its reports."""
