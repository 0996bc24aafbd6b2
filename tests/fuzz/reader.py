"""What a fuzzed reader is: whole files, their damage, and how a case is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.damage import damaged


@dataclass(frozen=True)
class Case:
    """One damaged file.

    Attributes:
        kind: the kind of file.
        path: the file.
        data: its bytes.
        number: number of the case within its process.
    """

    kind: str
    path: Path
    data: bytes
    number: int


def is_clear(case: Case, error: Exception) -> bool:
    """Whether an error is one that programs report, and names the file."""
    is_reported = isinstance(error, ValueError | OSError) and not isinstance(error, UnicodeError)
    return is_reported and case.path.name in str(error)


@dataclass(frozen=True)
class Reader:
    """A reader of foreign bytes.

    Attributes:
        make: writes the files around a case to a folder; returns kind -> whole files. Every
            process works on a copy of the folder.
        read: reads a case; returns whether the result is right. An error that is no refusal is
            wrong.
        place: kind -> path of a case within the folder; "case" by default.
        damage: makes a case from whole files.
        is_refusal: whether an error is a right answer to a case.
        cases_per_child: cases of one process; after a crash the rest of them is lost.
    """

    make: Callable[[Path], dict[str, list[bytes]]]
    read: Callable[[Case], bool]
    place: Mapping[str, str] = field(default_factory=dict)
    damage: Callable[[list[bytes], Random], bytes] = damaged
    is_refusal: Callable[[Case, Exception], bool] = is_clear
    cases_per_child: int = 500
