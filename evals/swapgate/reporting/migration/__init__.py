"""Reports on a migration: what it has cost, for the terminal, a pull request, a browser and programs."""
