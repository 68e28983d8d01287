"""Scoring recorded responses by the million: in parts, in several processes, in bounded memory."""
