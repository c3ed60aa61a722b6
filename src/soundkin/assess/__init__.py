"""Asking people: which question next, sessions, and how well each of them answers."""
