"""One migration as a whole: what it has cost, and how far it is. Reads what the other rooms remember."""
