"""Serialises `tf.train.Example`, whose bytes are the same as TensorFlow's. No TensorFlow here.

The import of TensorFlow would take most of the time of a small preparation. In protobuf's format a
field is its number with a code of its type, and what is nested or repeated has its length before
it. In an Example (TensorFlow `core/example/feature.proto`) every field is of this kind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

_HAS_LENGTH = 2
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_CONTINUES = 0x80


def example(features: Mapping[str, bytes]) -> bytes:
    """Serialises an Example; its features are sorted, so that equal ones give equal bytes.

    Args:
        features: name -> what `bytes_feature` or another of these functions returned.
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, features[name])) for name in sorted(features)
    )
    return _field(1, b"".join(entries))


def bytes_feature(value: bytes) -> bytes:
    """A feature of one string."""
    return _field(_BYTES_LIST, _field(1, value))


def float_feature(values: Sequence[float]) -> bytes:
    """A feature of float32 numbers."""
    return _packed(_FLOAT_LIST, struct.pack(f"<{len(values)}f", *values))


def int64_feature(values: Iterable[int]) -> bytes:
    """A feature of integers that are not negative."""
    return _packed(_INT64_LIST, b"".join(map(_varint, values)))


def _packed(kind: int, values: bytes) -> bytes:
    return _field(kind, _field(1, values) if values else b"")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _HAS_LENGTH) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest ones first; all bytes but the last have the eighth bit set."""
    encoded = bytearray()
    while value >= _CONTINUES:
        encoded.append(value % _CONTINUES | _CONTINUES)
        value //= _CONTINUES
    encoded.append(value)
    return bytes(encoded)
