"""What measures a run under load: a mock model server, a workload, a stopwatch for whole processes."""
