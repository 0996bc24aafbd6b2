"""Which folders this project may write to: new and empty ones, and its own. No TensorFlow here.

A folder of outputs is marked when it is first written to. A folder that holds anything and has no
mark is somebody else's: it is refused before anything in it is written or removed. Folders of
versions that left no mark are recognised by the files that only this project writes.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.files import (
    DAMAGE_ERRORS,
    LOCK_NAME,
    exclusive,
    is_read_only,
    partial_path,
    write_json,
)

MARKER_NAME = ".aec_ofa.json"

# What file systems, file managers and we ourselves leave in a folder that is otherwise empty.
_NOTHING = {LOCK_NAME, ".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"}
_NAMED = 3
_MODEL_CARD, _LABELS_NAME, _TABLE_NAME = "model.json", "labels.txt", "family.json"


class ForeignFolderError(ValueError):
    """A folder holds files of somebody else. The message names some of them and the remedy."""


@dataclass(frozen=True)
class Kind:
    """A kind of folder that this project writes.

    Attributes:
        name: what the folder holds, as the marker and messages name it.
        signs: names of JSON files by which folders of earlier versions are recognised, with keys
            that the file must have.
        recognise: another way to recognise a folder of earlier versions.
    """

    name: str
    signs: Mapping[str, frozenset[str]]
    recognise: Callable[[Path], bool] = lambda folder: False

    def is_of_earlier_version(self, folder: Path) -> bool:
        """Whether a folder without a marker has files that only this project writes."""
        signed = (keys <= _keys(folder / name) for name, keys in self.signs.items())
        return any(signed) or self.recognise(folder)


def _has_soft_labels(folder: Path) -> bool:
    reports = folder.glob("*-of-*.json")
    return any({"key", "shard"} <= _keys(path) for path in reports)


def _holds_only_our_models(folder: Path) -> bool:
    """Whether a folder holds models and tables of ours, and nothing else.

    One of our files among others is a copy of the user's, whose own files may have the same names
    as ours (`model.keras`).
    """
    if not folder.is_dir():
        return False
    paths = [path for path in folder.iterdir() if path.name not in _ignored(folder)]
    own = any(path.suffix == ".tflite" or path.name == _TABLE_NAME for path in paths)
    return own and all(map(_is_our_model, paths))


def _is_our_model(path: Path) -> bool:
    """Whether something in a folder of models was written by this project."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return _is_ours(path)
    if path.suffix == ".tflite":
        return _MODEL_CARD in _zip_names(path)
    if path.name == _LABELS_NAME or path.name.endswith(".tflite.md"):
        return any(map(_is_our_model, path.parent.glob("*.tflite")))
    if path.suffix == ".keras":
        return _is_our_keras(path)
    table = path.with_name(_TABLE_NAME)
    return path.stem == table.stem and _keys(table) >= {"machine", "runtime", "rows"}


def _is_our_keras(path: Path) -> bool:
    """Whether a Keras file has the input and the first layer of our networks."""
    try:
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
        return [layer["config"]["name"] for layer in layers[:2]] == ["log_mel", "input_norm"]
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, *DAMAGE_ERRORS):
        return False


RECORDS = Kind(
    "records",
    {
        "configuration.json": frozenset({"dataset", "clip_secs", "front_end"}),
        "manifest.json": frozenset({"version", "configuration", "shards"}),
        "rejected.json": frozenset({"quarantined", "missing"}),
    },
)
SCENES = Kind("scenes", {"scenes.json": frozenset({"clips", "clip_secs", "seed"})})
SOFT_LABELS = Kind(
    "soft labels",
    {"soft_labels.json": frozenset({"teacher", "records", "shards"})},
    _has_soft_labels,
)
RUN = Kind("a run", {"config.json": frozenset({"space", "network", "labels"})})
MODELS = Kind("converted models", {}, _holds_only_our_models)
REPRODUCTION = Kind("a reproduction", {})
KINDS = (RECORDS, SCENES, SOFT_LABELS, RUN, MODELS, REPRODUCTION)


@contextmanager
def owned(folder: Path, kind: Kind) -> Iterator[None]:
    """Claims and locks a folder in the block.

    Raises:
        ForeignFolderError: the folder belongs to somebody else, or holds another kind of outputs.
        BusyError: another job has locked the folder.
    """
    require_claimable(folder, kind)  # before the lock leaves a file in a foreign folder
    with exclusive(folder):
        claim(folder, kind)
        yield


def claim(folder: Path, kind: Kind) -> None:
    """Creates and marks a folder, if it is not marked yet.

    Raises:
        ForeignFolderError: the folder belongs to somebody else, or holds another kind of outputs.
    """
    require_claimable(folder, kind)
    if not is_read_only(folder):  # finished records may lie where nothing can be written
        mark(folder, kind)


def mark(folder: Path, kind: Kind) -> None:
    """Marks a folder that is known to be ours, because it lies in a folder of ours."""
    kinds = kinds_of(folder)
    if kind.name not in kinds or not (folder / MARKER_NAME).is_file():
        write_json(folder / MARKER_NAME, {"kinds": sorted({*kinds, kind.name})})


def require_claimable(folder: Path, kind: Kind) -> None:
    """Checks that a folder is new, empty or of this kind; nothing is written.

    Folders of ours within it, such as the records of a run, do not count as its content.

    Raises:
        ForeignFolderError: the folder belongs to somebody else, or holds another kind of outputs.
    """
    if not _is_there(folder, kind):
        return
    kinds = kinds_of(folder)
    if kind.name in kinds:
        return
    if kinds:
        raise ForeignFolderError(
            f"{folder} holds {' and '.join(sorted(kinds))}; give {kind.name} another folder, for "
            f"example {folder / kind.name.split()[-1]}"
        )
    foreign = list(_foreign(folder))
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise ForeignFolderError(
            f"{folder} holds files that this project did not write "
            f"({', '.join(sorted(foreign)[:_NAMED])}{more}). Nothing in it was changed; give a new "
            f"or an empty folder for {kind.name}"
        )


def _is_there(folder: Path, kind: Kind) -> bool:
    """Whether a folder exists; an error if it is none and cannot become one."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return place == folder
        if place.is_symlink() or place.exists():
            link = place.is_symlink() and not place.exists()
            what = f"is a link to {place.readlink()}, which does not exist" if link else "is a file"
            within = "" if place == folder else f", so there can be no folder {folder}"
            raise ForeignFolderError(f"{place} {what}{within}; give a folder for {kind.name}")
    return False


def kinds_of(folder: Path) -> set[str]:
    """What a folder holds, by its marker or by the signs of earlier versions."""
    marked = _json(folder / MARKER_NAME).get("kinds")
    known = {kind.name for kind in KINDS if isinstance(marked, list) and kind.name in marked}
    return known or {kind.name for kind in KINDS if kind.is_of_earlier_version(folder)}


def _foreign(folder: Path) -> Iterator[str]:
    """Names in a folder that are neither ours nor folders of ours."""
    ignored = _ignored(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name not in ignored and not (is_folder and _is_ours(Path(entry.path))):
                yield f"{entry.name}/" if is_folder else entry.name


def _ignored(folder: Path) -> set[str]:
    return _NOTHING | {partial_path(folder / MARKER_NAME).name}


def _is_ours(folder: Path) -> bool:
    return bool(kinds_of(folder)) or not any(_foreign(folder))


def _keys(path: Path) -> frozenset[str]:
    return frozenset(_json(path))


def _json(path: Path) -> dict[str, object]:
    """A JSON object, or an empty one if the file is something else or is not there."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return []
