"""Nights: stored runs read as such, one night run as a whole, and who is told of it."""
