"""Files that are written whole or not at all, and locks on directories. No TensorFlow here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

JsonObject = Mapping[str, Any]
"""A JSON object that was read from a file, whose values have the types that its writer chose."""

LOCK_NAME = ".lock"
_TEMPORARY_SUFFIX = ".partial"
# Linux' bounds, with room for the root; asking for a file beyond them is an error of its own.
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 3072
DAMAGE_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What values of a damaged file, of another type, size or depth, cause where they are used."""


class BusyError(OSError):
    """Another job uses the directory."""


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Locks a directory in the block; the operating system releases the lock if the process dies.

    A directory that this process may not write to is not locked, since it can only be read.

    Raises:
        BusyError: another job has locked the directory.
    """
    if is_read_only(directory):
        yield
        return
    import filelock  # not in the core install, whose programs write without a lock

    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / LOCK_NAME, timeout=0)
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


def is_read_only(directory: Path) -> bool:
    """Whether a directory exists and this process may not write to it."""
    return directory.is_dir() and not os.access(directory, os.W_OK)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; the file is renamed to `path` if the block succeeds.

    If `path` is a link, the file that it leads to is replaced.

    Raises:
        ValueError: the path is a folder, a pipe or a device.
        OSError: the file cannot be written.
    """
    require_replaceable(path)
    target = Path(os.path.realpath(path))
    temporary = partial_path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # so that a power cut cannot leave the name without the bytes
        temporary.replace(target)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        # Users do not know the temporary name.
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # an error in the block is more informative
            temporary.unlink(missing_ok=True)


def free_bytes(directory: Path) -> int:
    """Free bytes of the disk that a directory, which need not exist yet, is or would be on."""
    return shutil.disk_usage(_nearest(directory)).free


def disk_of(path: Path) -> int:
    """The number of the disk that a file or folder, which need not exist yet, is or would be on."""
    return _nearest(path).stat().st_dev


def _nearest(path: Path) -> Path:
    """The path, or the nearest of its folders that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place


def require_room(directory: Path, needed_bytes: int, what: str) -> None:
    """Checks that a disk has room for what will be written.

    Args:
        directory: where it will be written; it need not exist yet.
        needed_bytes: its estimated size.
        what: its name, in the plural, for the message.

    Raises:
        OSError: there is less room.
    """
    free = free_bytes(directory)
    if free < needed_bytes:
        raise OSError(
            f"the {what} need about {needed_bytes / 1e9:.2g} GB and the disk has {free / 1e9:.2g} "
            f"GB free, at {directory}; make room or use another disk"
        )


def require_writable(path: Path) -> None:
    """Checks, before the work for it, that a file or folder can be written.

    Args:
        path: where it will be; neither it nor its folder need exist yet.

    Raises:
        ValueError: a file lies where a folder is needed.
        OSError: this process may not write there.
    """
    place = path.absolute()
    while not place.exists() and not place.is_symlink():
        place = place.parent
    if place != path.absolute() and not place.is_dir():
        raise ValueError(f"{place} is no folder, so {path} cannot be written; give another path")
    if not os.access(place, os.W_OK):
        raise PermissionError(
            f"{path} cannot be written: {place} is read-only for this process; give another place, "
            "or change its permissions"
        )


def require_replaceable(path: Path) -> None:
    """Checks that `replacing` can write to a path.

    Raises:
        ValueError: the path is a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise ValueError(f"{path} is {what}; give the path of a file to write")


def partial_path(path: Path) -> Path:
    """The temporary name under which `replacing` writes a file."""
    return path.with_name(f".{path.name}{_TEMPORARY_SUFFIX}")


def remove_partial(directory: Path, names: Iterable[str]) -> None:
    """Removes the temporary files that killed jobs left. The caller must have locked the directory.

    Args:
        directory: the directory.
        names: final names of the files that the jobs wrote; other temporary files are kept.
    """
    ours = {partial_path(directory / name).name for name in names}
    for path in directory.glob(f".*{_TEMPORARY_SUFFIX}"):
        if path.name in ours:
            path.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes JSON with sorted keys, so that equal values give equal bytes."""
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write("\n")


def read_json(path: Path, kind: type = dict) -> Any:
    """Reads a JSON file that contains an object, or a value of another kind.

    Raises:
        ValueError: the file is not JSON or of another kind; the message names it.
        OSError: the file cannot be read.
    """
    with naming_damage(path, "remove it and run the command that wrote it again"):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, kind):
            expected = "an object" if kind is dict else f"a {kind.__name__}"
            raise ValueError(f"expected {expected}, found {type(value).__name__}")
    return value


@contextmanager
def naming_damage(
    path: Path, remedy: str, error_type: type[ValueError] = ValueError
) -> Iterator[None]:
    """Raises what the values of a damaged file cause in the block as an error that names the file.

    Args:
        path: the file.
        remedy: what to do about it.
        error_type: the class of the error.

    Raises:
        ValueError: the file is damaged; errors in the block that name it are kept as they are.
    """
    try:
        yield
    except DAMAGE_ERRORS as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        reason = error if isinstance(error, ValueError) else repr(error)
        raise error_type(f"{path} is damaged ({reason}); {remedy}") from error


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: object) -> str:
    """Hexadecimal SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_too_long(parts: list[str]) -> bool:
    sizes = [len(os.fsencode(part)) for part in parts]
    return max(sizes) > _MAX_NAME_BYTES or sum(sizes) + len(sizes) > _MAX_PATH_BYTES


def inside(root: Path, relative: str, place: str) -> Path:
    """Joins `root` and `relative` and checks that the path is inside the root.

    Args:
        root: the root folder.
        relative: a relative path.
        place: where the path was found, for error messages.

    Raises:
        ValueError: the path is absolute, contains `..`, is too long for a file, or leads out of
            the root by a link.
    """
    parts = relative.replace("\\", "/").split("/")
    if not relative or "\0" in relative or os.path.isabs(relative) or ".." in parts:  # noqa: PTH117
        raise ValueError(f"{place}: {relative!r} is not a path inside {root}; use a relative one")
    if len(relative) > _MAX_NAME_BYTES // 4 and _is_too_long(parts):
        raise ValueError(f"{place}: {relative[:40]!r}... is too long for the name of a file")
    path = root / relative
    real_root = os.path.realpath(root)
    real = os.path.realpath(path)
    if os.path.commonpath([real, real_root]) != real_root:
        raise ValueError(f"{place}: {relative!r} leads out of {root} by a link, to {real}")
    return path
