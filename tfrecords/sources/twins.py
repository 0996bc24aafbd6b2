"""Copies: a clip of two classes that lies in both folders, under one name."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path

# Compared at both ends, which is enough to know a recording and keeps long ones cheap.
_END_BYTES = 1 << 16


def twins(places: Mapping[Path, str]) -> dict[Path, Path]:
    """Each file that repeats one of another class folder -> the first such file, by path.

    Sizes are compared before bytes, so that few files are read.

    Args:
        places: path of a file -> its place within the class folder, which copies have in common.
    """
    found: dict[Path, Path] = {}
    for named in _alike(places, places.__getitem__):
        for sized in _alike(named, _size):
            for same in _alike(sized, _digest):
                first, *others = sorted(same)
                found.update(dict.fromkeys(others, first))
    return found


def _alike(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> Iterator[list[Path]]:
    """Groups of two paths or more with one key; paths with the key None are left out."""
    groups: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return (group for value, group in groups.items() if value is not None and len(group) > 1)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            digest = hashlib.blake2b(file.read(_END_BYTES))
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - _END_BYTES))
            digest.update(file.read(_END_BYTES))
    except OSError:
        return None
    return digest.digest()
