"""Temporary files for decoders, which need to seek."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from aec_ofa_tf.audio.io.errors import MachineError


@contextmanager
def copied(data: Iterable[bytes]) -> Iterator[BinaryIO]:
    """A temporary file with the given bytes.

    Raises:
        MachineError: there is no folder for temporary files.
    """
    # Unbuffered, because libsndfile moves the descriptor without the buffer's knowledge.
    with _temporary_file() as raw, io.BufferedReader(raw) as file:
        for piece in data:
            write_all(raw, piece)
        yield file


def write_all(file: io.RawIOBase, data: bytes) -> None:
    """Writes bytes to an unbuffered file, which may take a part of them only."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _temporary_file() -> io.FileIO:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise MachineError(
            "it needs a temporary file, and there is no folder that such files can be written to; "
            f"set TMPDIR to one ({error})"
        ) from error
