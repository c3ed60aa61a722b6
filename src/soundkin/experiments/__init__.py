"""One-off comparisons, apart from the core."""
