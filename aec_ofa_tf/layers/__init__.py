"""Elastic layers: the first channels of a full-size weight."""
