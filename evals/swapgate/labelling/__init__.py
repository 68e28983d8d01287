"""People's answers for a judge's responses: drawn, asked for, stored; and what they say of the judge."""
