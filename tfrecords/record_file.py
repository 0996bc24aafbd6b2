"""Writes a file of records."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf


def write_examples(examples: Iterable[bytes], file: Path, name: Path) -> None:
    """Writes serialised examples as TFRecords.

    Args:
        examples: the records.
        file: the file to write.
        name: the name that the file will get, for the error.

    Raises:
        OSError: the file cannot be written, for example because the disk is full.
    """
    try:
        with tf.io.TFRecordWriter(os.fspath(file)) as writer:
            for example in examples:
                writer.write(example)
    except tf.errors.OpError as error:
        raise OSError(f"{name} could not be written: {error.message}") from error
