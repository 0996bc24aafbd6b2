"""Flagfiles: those of this package are found by name, and a byte-order mark is no flag.

absl reads a flagfile in the locale's encoding. Editors on Windows begin UTF-8 files with a
byte-order mark, which would become part of the first flag, and PowerShell writes UTF-16.
"""

from __future__ import annotations

import codecs
import difflib
import os
from collections.abc import Sequence
from pathlib import Path

FLAGFILES = Path(__file__).resolve().parent / "configs"
"""The folder of the flagfiles that come with this package."""

_FLAG = ("--flagfile", "-flagfile")
_LONGEST_NAME = 64
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def expanded(arguments: Sequence[str], within: tuple[Path, ...] = ()) -> list[str]:
    """Replaces every `--flagfile` by the flags in the file, as absl does.

    Args:
        arguments: a command line, for example with `--flagfile=quickstart.flags`. The bare name of
            a flagfile of this package stands for its path, unless the working directory has a file
            with this name.
        within: the flagfiles that these arguments are part of.

    Returns:
        The command line.

    Raises:
        ValueError: a flagfile does not exist, or is not text.
    """
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, name = argument.partition("=")
        if argument == "--":
            return [*found, argument, *rest]
        if flag not in _FLAG or not (equals or rest):
            found.append(argument)
            continue
        path = _path(name if equals else rest.pop(0))
        if path in within:  # which absl ignores too
            continue
        if not path.is_file():
            raise ValueError(_unknown(path))
        found += expanded(_lines(path), (*within, path))
    return found


def _path(name: str) -> Path:
    shipped = FLAGFILES / name
    is_shipped = Path(name).name == name and not Path(name).exists() and shipped.is_file()
    return shipped if is_shipped else Path(os.path.expanduser(name))  # noqa: PTH111 - as absl


def _unknown(path: Path) -> str:
    """Why there is no such flagfile, with the shipped one of the most similar name."""
    shipped = sorted(file.name for file in FLAGFILES.glob("*.flags"))
    near = difflib.get_close_matches(path.name, shipped, n=1)
    hint = f"did you mean {near[0]}" if near else f"shipped with this package: {', '.join(shipped)}"
    return f"--flagfile={path} does not exist; {hint}"


def _lines(path: Path) -> list[str]:
    """The flags in a file, a line each; comments are left out."""
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    try:
        lines = [line.strip() for line in content.decode(encoding).splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"--flagfile={path} is not UTF-8 text ({error}); save it as UTF-8"
        ) from error
    found = [line for line in lines if line and not line.startswith(("#", "//"))]
    for line in found:
        _check_name(line.partition("=")[0], path)
    return found


def _check_name(name: str, path: Path) -> None:
    """Refuses a name that no flag can have: absl takes minutes to look for similar flags."""
    if name.startswith("-") and len(name) > _LONGEST_NAME:
        raise ValueError(
            f"--flagfile={path} has a flag {name[:_LONGEST_NAME]!r}..., longer than any; "
            "write a flag a line, --name=value"
        )
