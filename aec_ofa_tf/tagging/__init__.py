"""Tagging audio with a TFLite file. It needs only the core install, no TensorFlow."""
