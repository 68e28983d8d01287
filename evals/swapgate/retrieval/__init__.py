"""Two vector indexes side by side: one Protocol, a router between them, and the way from one to the other."""
