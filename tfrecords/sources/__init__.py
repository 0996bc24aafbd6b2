"""Readers of dataset layouts: each gives a `Source`, and none writes records."""
