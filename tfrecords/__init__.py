"""Prepares recordings as TFRecords and reads TFRecords as tf.data datasets."""
