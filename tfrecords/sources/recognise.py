"""Recognises the layout of recordings by what lies in their folder."""

from __future__ import annotations

from pathlib import Path

from aec_ofa_tf.audio.io.folders import sounds_below, subfolders
from aec_ofa_tf.files import read_json
from tfrecords.clip import SourceError
from tfrecords.sources.audioset import AudiosetFiles
from tfrecords.sources.class_folders import find_class_folders
from tfrecords.sources.csv_list import COLUMNS
from tfrecords.sources.mixer import SETTINGS_NAME
from tfrecords.sources.synthetic import SyntheticEvents
from tfrecords.sources.table import read_cells

_NAMED = 3


def recognise(source: Path) -> str:
    """The layout of a folder of recordings, or of a list, that can have only one.

    Args:
        source: a folder, or a CSV file.

    Raises:
        SourceError: it looks like several layouts or like none; the message names them.
        FileNotFoundError: there is nothing at this path.
    """
    if not source.exists():
        raise FileNotFoundError(
            f"{source} is missing; --source names the recordings. To write scenes there, add "
            "--dataset=synthetic"
        )
    found = layouts_of(source)
    names_the_list = source.is_file() or "csv" not in found
    if len(found) == 1 and names_the_list:
        return next(iter(found))
    looks = " or ".join(f"{layout} ({reason})" for layout, reason in found.items())
    raise SourceError(
        f"--source={source} needs --dataset, its layout; it looks like {looks or 'none of them'}"
    )


def layouts_of(source: Path) -> dict[str, str]:
    """Layout -> what in the folder, or in the file, looks like it."""
    if not source.is_dir():
        return {"csv": f"columns {', '.join(COLUMNS[:2])}"} if _is_clip_list(source) else {}
    found = {}
    files = AudiosetFiles(source)
    if (source / files.labels).is_file():
        found["audioset"] = files.labels
    if (source / "meta" / "esc50.csv").is_file():
        found["esc50"] = "meta/esc50.csv; or scenes, which mixes these recordings"
    if _has_synthetic_scenes(source / SETTINGS_NAME):
        found["synthetic"] = f"{SETTINGS_NAME} of such scenes"
    if found:
        return found
    for path in sorted(source.glob("*.csv")):
        if _is_clip_list(path):
            found["csv"] = f"with --source={path}"
    if reason := _folder_reason(source):
        found["folder"] = reason
    return found


def _folder_reason(source: Path) -> str | None:
    """What looks like a folder per class, with or without splits above; None without recordings."""
    names = [name for name in subfolders(source) if next(sounds_below(source / name), None)]
    if not names:
        return None
    try:
        folders = find_class_folders(source)
    except SourceError as error:  # the reader refuses the folder, for this reason
        return f"recordings in {_listed(names)}; but {error}"
    if not folders.has_splits:
        return f"recordings in {_listed(names)}"
    labels = sorted({place.partition("/")[2] for place in folders.split_of})
    return f"splits {_listed(names)} of recordings in {_listed(labels)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _has_synthetic_scenes(settings: Path) -> bool:
    try:
        return SyntheticEvents().facts.items() <= read_json(settings).items()
    except (OSError, ValueError, AttributeError):
        return False


def _is_clip_list(path: Path) -> bool:
    try:
        header, _ = next(read_cells(path), ([], ""))
    except (SourceError, OSError):
        return False
    return set(COLUMNS[:2]) <= set(header)
