"""Errors of recordings that cannot be used."""

from __future__ import annotations

import os


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
