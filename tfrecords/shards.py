"""TFRecord files read by position.

`tf.data.TFRecordDataset` reads in sequence only, ends early without an error if a shard was cut
between two records, and does not report which record is damaged. Reading by position makes a full
shuffle and a resumed stream cheap, and errors name the damaged record. The format (TensorFlow
`core/lib/io/record_writer.h`): length (uint64), masked CRC-32C of the length, data, masked CRC-32C
of the data.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

_HEADER_BYTES = 12
_FOOTER_BYTES = 4
_MASK_DELTA = 0xA282EAD8


class RecordError(OSError):
    """A record or a shard is damaged. The message names it and the remedy."""


@dataclass(frozen=True)
class ShardReader:
    """The records of several shards, numbered consecutively across the shards.

    No file is kept open, so any number of shards can be read; opening one takes microseconds.

    Attributes:
        paths: the shards in stored order.
        shard_of: int32 [records], index into `paths`.
        offset: int64 [records], position of the record's data in the file.
        length: int64 [records], bytes of the data.
        first: int64 [shards], number of each shard's first record.
    """

    paths: tuple[Path, ...]
    shard_of: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.offset)

    def name_of(self, number: int) -> str:
        """The shard and the number of a record within it, for messages."""
        shard = int(self.shard_of[number])
        return f"{self.paths[shard]}: record {number - int(self.first[shard])}"

    def read(self, number: int) -> bytes:
        """Reads the data of one record.

        Raises:
            RecordError: the checksum is wrong, or the shard cannot be read.
        """
        shard = int(self.shard_of[number])
        length = int(self.length[number])
        try:
            framed = _read_at(self.paths[shard], length + _FOOTER_BYTES, int(self.offset[number]))
        except OSError as error:
            raise RecordError(f"{self.paths[shard]}: {error.strerror}") from error
        data = framed[:length]
        if len(framed) < length + _FOOTER_BYTES or framed[length:] != masked_crc(data):
            raise _damaged(self.paths[shard], number - int(self.first[shard]))
        return data


def open_shards(paths: list[Path], records: list[int]) -> ShardReader:
    """Finds every record by reading the record headers of the shards.

    Args:
        paths: the shards in stored order.
        records: expected number of records of each shard.

    Raises:
        RecordError: a shard cannot be read, is cut or damaged, or has another number of records.
    """
    tables = [_index(path, count) for path, count in zip(paths, records, strict=True)]
    shard_of = np.repeat(np.arange(len(paths), dtype=np.int32), records)
    index = np.concatenate(tables) if tables else np.zeros((0, 2), np.int64)
    first = np.cumsum([0, *records])[:-1].astype(np.int64)
    return ShardReader(tuple(paths), shard_of, index[:, 0], index[:, 1], first)


def _read_at(path: Path, size: int, offset: int) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.pread(handle, size, offset)
    finally:
        os.close(handle)


def _index(path: Path, records: int) -> np.ndarray:
    """int64 [records, 2]: offset and length of each record's data."""
    table: list[tuple[int, int]] = []
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            position = 0
            while position < size:
                header = os.pread(file.fileno(), _HEADER_BYTES, position)
                if header[8:] != masked_crc(header[:8]):
                    raise _damaged(path, len(table))
                (length,) = struct.unpack("<Q", header[:8])
                table.append((position + _HEADER_BYTES, length))
                position += _HEADER_BYTES + length + _FOOTER_BYTES
    except OSError as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: {error.strerror}; prepare again") from error
    if position != size or len(table) != records:
        last = "whole" if position == size else "cut off"
        raise RecordError(
            f"{path} contains {len(table)} records, the last one {last}; "
            f"expected {records}. Prepare again: only this shard is rewritten"
        )
    return np.array(table, np.int64).reshape(-1, 2)


def masked_crc(data: bytes) -> bytes:
    """The checksum of a record's data or length, as the format stores it."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def _damaged(path: Path, record: int) -> RecordError:
    return RecordError(
        f"{path}: record {record} is damaged (its checksum is wrong). Prepare again: only "
        "this shard is rewritten"
    )
