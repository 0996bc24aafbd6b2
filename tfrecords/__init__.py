"""From recordings to TFRecords and from TFRecords to tf.data."""
