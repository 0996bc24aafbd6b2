"""Network families as lists of elastic units, their supernets, and standalone models."""
