"""Pure statistics: intervals, paired differences and sample sizes. No I/O, nothing about trials or files."""
