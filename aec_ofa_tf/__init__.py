"""Once-for-all supernets for acoustic event classification."""
