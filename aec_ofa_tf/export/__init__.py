"""From a Keras model to TFLite files and back to scores."""
