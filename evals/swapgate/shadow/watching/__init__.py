"""Live traffic after a swap, held against its level before."""
