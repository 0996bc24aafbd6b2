"""From audio to labels with a TFLite file: the core install, without TensorFlow."""
