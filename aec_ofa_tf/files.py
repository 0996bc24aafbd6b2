"""Files that are either whole or absent, and directories with one writer. No TensorFlow here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TEMPORARY_SUFFIX = ".partial"


class BusyError(OSError):
    """Another job writes in the directory."""


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Holds the directory's lock; the operating system frees it when the process dies.

    Raises:
        BusyError: another job holds it.
    """
    import filelock  # not in the core install, whose programs write without a lock

    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise BusyError(
            f"{directory} is in use by another job; wait for it or use another directory"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`, which becomes `path` only if the block succeeds.

    Of a link it is the file that it leads to which is replaced.

    Raises:
        ValueError: something stands there that is no file, such as a folder, a pipe or a device.
        OSError: the file cannot be written.
    """
    require_replaceable(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}{_TEMPORARY_SUFFIX}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # the name must not outlive its bytes in a power cut
        temporary.replace(target)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        # The temporary name means nothing to users.
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # the error that led here says more
            temporary.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Refuses what `replacing` would destroy or cannot replace.

    Raises:
        ValueError: a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise ValueError(f"{path} is {what}; give the path of a file to write")


def remove_partial(directory: Path) -> None:
    """Removes what killed jobs left behind; to be called under the directory's lock."""
    for path in directory.glob(f".*{_TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with sorted keys, so that equal values are equal bytes."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="ascii")


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        ValueError: the file is not JSON; the message names it.
        OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); remove it and run the command that wrote it again"
        ) from error


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Hexadecimal SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def inside(root: Path, relative: str, place: str) -> Path:
    """The path of `relative` under `root`, if that is where it leads.

    Raises:
        ValueError: it is absolute, climbs with `..`, or follows a link out of the root.
    """
    parts = relative.replace("\\", "/").split("/")
    if not relative or "\0" in relative or os.path.isabs(relative) or ".." in parts:  # noqa: PTH117
        raise ValueError(f"{place}: {relative!r} is not a path inside {root}; use a relative one")
    path = root / relative
    real_root = os.path.realpath(root)
    real = os.path.realpath(path)
    if os.path.commonpath([real, real_root]) != real_root:
        raise ValueError(f"{place}: {relative!r} leads out of {root} by a link, to {real}")
    return path
