"""Model ids that stay what they are: which kind of pin an id is, from which rule, on which evidence."""

LOCK_FILE = "models.lock"
