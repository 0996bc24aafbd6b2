"""How earlier versions read a folder per class: kept for records that were made so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row
from tfrecords.sources.splits import share_of


def rows_by_hash(
    root: Path, fractions: tuple[float, float], recording_of: Callable[[Path], str]
) -> tuple[list[str], list[Row]]:
    """Labels and clips; each recording's split depends on a hash of its name only.

    Every visible folder is a class, and linked folders are not followed. Splits of few recordings
    may be empty, because the shares are only expected values.

    Args:
        root: folder of class folders.
        fractions: expected shares of validation and of evaluation.
        recording_of: function from a file to its recording.

    Raises:
        ValueError: a link leads out of the root.
    """
    labels = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    validation, evaluation = fractions
    rows = []
    for label in labels:
        for name in _files(root, label):
            path = inside(root, name, str(root))
            share = share_of(recording_of(path))
            split = EVALUATION if share < validation + evaluation else TRAIN
            split = VALIDATION if share < validation else split
            rows.append(Row(Clip(name, str(path), (label,), split), str(path)))
    return labels, rows


def _files(root: Path, label: str) -> Iterator[str]:
    """Names relative to the root, with `/`, in a fixed order."""
    for folder, folders, files in os.walk(root / label):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()
