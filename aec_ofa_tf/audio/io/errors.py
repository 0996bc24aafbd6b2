"""Errors of recordings that cannot be used."""

from __future__ import annotations

import errno
import os

_REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "free space in the folder for temporary files, or set TMPDIR to another one",
    ),
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE), "close other programs, or allow more open files by ulimit -n"
    ),
    errno.ENOMEM: "close other programs, or use a machine with more memory",
}


class DecodeError(ValueError):
    """A file cannot be decoded to a usable waveform.

    Attributes:
        path: the file.
        reason: the reason in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.reason)


class StartError(DecodeError):
    """A recording ends before the place from which it is to be read."""


class UnusableSoundError(ValueError):
    """The reason of a `DecodeError`, raised by code that does not know the path."""


class MachineError(OSError):
    """A recording cannot be read through no fault of its own: the machine lacks something."""

    def __reduce__(self) -> tuple:
        return type(self), self.args


def machine_error(
    path: str | os.PathLike[str], error: OSError | MemoryError
) -> MachineError | None:
    """The error to raise if the machine lacks space, memory or open files; None for others.

    Args:
        path: the recording that was read.
        error: what was raised.
    """
    if isinstance(error, MachineError):
        return MachineError(f"{os.fspath(path)} could not be read: {error}")
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
    if number not in _REMEDIES:
        return None
    return MachineError(
        f"{os.fspath(path)} could not be read: {os.strerror(number)}. This is no fault of the "
        f"recording: {_REMEDIES[number]}"
    )
