"""Changes a few bytes of a file, most of them in its header."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7F000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_KINDS = ("byte", "bit", "integer", "byte", "bit", "integer", "cut", "remove", "insert", "repeat")
_OGG_POLYNOMIAL = 0x04C11DB7


def damaged(
    samples: list[bytes],
    random: Random,
    mend: Callable[[bytearray], None] = lambda _: None,
) -> bytes:
    """One of the files with one to six changes.

    Args:
        samples: whole files.
        random: what is drawn from.
        mend: makes checksums fit, without which most changes are found at once; mostly called.
    """
    data = bytearray(random.choice(samples))
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        if not data:
            break
        last = len(data) - 1
        place = random.randint(0, min(last, random.choice((63, 255, last))))
        change(data, place, random)
    if random.random() < 0.8:
        mend(data)
    return bytes(data)


def change(data: bytearray, place: int, random: Random) -> None:
    """Changes a file at a place."""
    kind = random.choice(_KINDS)
    if kind == "byte":
        data[place] = random.randrange(256)
    elif kind == "bit":
        data[place] ^= 1 << random.randrange(8)
    elif kind == "integer":
        size = random.choice((2, 4, 8))
        value = random.choice(_INTEGERS) & ((1 << 8 * size) - 1)
        little = random.random() < 0.5
        data[place : place + size] = value.to_bytes(size, "little" if little else "big")
    elif kind == "cut":
        del data[random.randrange(len(data)) :]
    elif kind == "remove":
        del data[place : place + random.randint(1, 64)]
    elif kind == "insert":
        data[place:place] = random.randbytes(random.randint(1, 16))
    else:
        data[place:place] = data[place : place + random.randint(1, 512)]


def mend_ogg(data: bytearray) -> None:
    """Recomputes the pages' checksums, without which no decoder looks at what is in a page."""
    position = 0
    while data[position : position + 4] == b"OggS" and len(data) > position + 27:
        table_end = position + 27 + data[position + 26]
        end = table_end + sum(data[position + 27 : table_end])
        data[position + 22 : position + 26] = bytes(4)
        checksum = 0
        for byte in data[position:end]:
            checksum = (checksum << 8 ^ _OGG_TABLE[checksum >> 24 ^ byte]) & 0xFFFFFFFF
        data[position + 22 : position + 26] = checksum.to_bytes(4, "little")
        position = end


def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (_OGG_POLYNOMIAL if value >> 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


_OGG_TABLE = _ogg_table()
