"""The files of a folder of recordings, without what operating systems and archives put there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aec_ofa_tf.audio.io.suffixes import preference

_FOREIGN = {
    "#recycle",
    "$RECYCLE.BIN",
    "@Recycle",
    "@eaDir",
    "System Volume Information",
    "Thumbs.db",
    "__MACOSX",
    "__pycache__",
    "desktop.ini",
    "lost+found",
}
_log = logging.getLogger(__name__)

_EFFECTIVE = os.access in os.supports_effective_ids


def is_foreign(name: str) -> bool:
    """Whether a file or folder is hidden, or made by an operating system, archiver or server."""
    return name.startswith(".") or name in _FOREIGN


def subfolders(folder: Path) -> list[str]:
    """The names of a folder's subfolders that are not foreign, sorted.

    Raises:
        OSError: the folder cannot be read; the message names it.
    """
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def files_in(folder: Path) -> list[Path]:
    """The files that lie directly in a folder and are not foreign, sorted.

    Raises:
        OSError: the folder cannot be read; the message names it.
    """
    return [folder / entry.name for entry in _entries(folder) if not entry.is_dir()]


def files_below(folder: Path, root: Path | None = None) -> Iterator[Path]:
    """The files in a folder and its subfolders that are not foreign, in a fixed order.

    Links to folders are followed.

    Args:
        folder: the folder.
        root: a folder that no link may lead out of; None allows all links.

    Raises:
        ValueError: a link leads out of the root, or to a folder that contains it.
        OSError: a folder cannot be read; the message names it.
    """
    yield from _files(folder, os.path.realpath(root) if root else None, ())


def sounds_below(folder: Path) -> Iterator[Path]:
    """The files of `files_below` whose suffix is that of a sound file."""
    return (path for path in files_below(folder) if preference(path) is not None)


def recordings_named(names: Sequence[str]) -> list[str]:
    """Paths in which every folder is replaced by the sound files in it and its subfolders.

    A folder without such files is kept, so that it is reported like a file that cannot be read.

    Raises:
        ValueError: a folder contains a link as in `files_below`.
        OSError: a folder cannot be read.
    """
    paths: list[str] = []
    for name in names:
        if not os.path.isdir(name):  # noqa: PTH112 - pathlib would normalise the name
            paths.append(name)
            continue
        found = [os.fspath(path) for path in sounds_below(Path(name))]
        if not found:
            _log.warning(
                "%s contains no file with a suffix of sound files, such as .wav, .flac or .mp3; "
                "files with other names can be given one by one",
                name,
            )
        paths += found or [name]
    return paths


def _files(folder: Path, root: str | None, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if root is not None and os.path.commonpath([real, root]) != root:
        raise ValueError(f"{folder} leads out of {root} by a link, to {real}; copy the files")
    if real in above:
        raise ValueError(f"{folder} is a link to {real}, which contains it; remove the link")
    folders = []
    for entry in _entries(folder):
        if entry.is_dir():
            folders.append(entry.name)
        else:
            yield folder / entry.name
    for name in folders:
        yield from _files(folder / name, root, (*above, real))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        # Without the right to enter a folder, its names can be read, but no file.
        if not os.access(folder, os.X_OK, effective_ids=_EFFECTIVE):
            raise PermissionError("no right to enter it")
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not is_foreign(entry.name)]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise type(error)(
            f"{folder} cannot be read ({error.strerror or error}); correct its rights, or move it "
            "out of the recordings"
        ) from error
    return sorted(found, key=lambda entry: entry.name)
