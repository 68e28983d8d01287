"""Judging: a model scores the meaning of an answer. The call, its strict reading, the samples' sum."""
