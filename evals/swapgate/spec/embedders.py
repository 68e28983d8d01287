"""The embedding that needs no service and no function of the user's, by its name in judges and indexes."""

WORDLLAMA = "wordllama"
