"""Running: ready suites, limits, retries, one trial from case to record; one event loop in one thread."""
