"""Why a recording cannot be used."""

from __future__ import annotations

import os


class DecodeError(ValueError):
    """A file that gives no usable waveform.

    Attributes:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.reason)


class UnusableSoundError(ValueError):
    """The reason of a `DecodeError`, raised where the path is not known."""
