"""Shadow deployment: real traffic served by one model and answered by another beside it, to be compared."""
