"""Families of networks as lists of elastic units, supernets of them, and the plain models."""
