"""Who of the real traffic is answered by the candidate: shares, their changes, and who made them."""
