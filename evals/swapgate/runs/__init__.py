"""One run: said before it, recorded, stopped early, found again, merged, judged again."""
