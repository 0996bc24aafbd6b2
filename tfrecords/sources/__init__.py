"""Readers of dataset layouts: each returns a `Source`, and none writes records."""
