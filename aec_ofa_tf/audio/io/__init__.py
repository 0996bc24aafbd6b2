"""Sound files and streams: containers, decoding, resampling. No TensorFlow here."""
