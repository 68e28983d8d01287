"""An override proposed by a model, chosen on one half of the cases and reported on the other."""
