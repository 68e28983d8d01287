"""A run as OpenTelemetry sees it: spans of its calls, events of what was said of them, metrics."""
