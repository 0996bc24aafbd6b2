"""Writes a file of records. No TensorFlow here."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from aec_ofa_tf.audio.io.errors import MachineError
from tfrecords.shards import masked_crc


def write_examples(examples: Iterable[bytes], file: Path, name: Path) -> None:
    """Writes serialised examples as TFRecords, whose format `shards` describes.

    Args:
        examples: the records.
        file: the file to write.
        name: the name that the file will get, for the error.

    Raises:
        OSError: the file cannot be written, for example because the disk is full.
    """
    try:
        with file.open("wb") as stream:
            stream.writelines(_framed(example) for example in examples)
    except MachineError:  # of the recording that was to become the next record
        raise
    except OSError as error:
        raise OSError(f"{name} could not be written: {error}") from error


def _framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return b"".join((length, masked_crc(length), data, masked_crc(data)))
