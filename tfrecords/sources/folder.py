"""A folder per class; the split of a file depends on a stable hash of its source recording."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect

# By default each file is a recording of its own.
WHOLE_NAME = "(.*)"


def read_folder(
    root: Path | str,
    validation_fraction: float = 0.1,
    evaluation_fraction: float = 0.1,
    source_pattern: str = WHOLE_NAME,
) -> Source:
    """Reads `root/<class>/**/<file>`; names that begin with a dot are ignored.

    The split of a recording depends only on a hash of the recording's name. So new files do not
    move others to another split, and chunks of one recording are in one split, across classes too.

    Args:
        root: folder of class folders.
        validation_fraction: expected share of recordings in the validation split.
        evaluation_fraction: expected share of recordings in the evaluation split.
        source_pattern: regular expression matched at the start of a file's name without suffix;
            its first group names the recording, for example `(.+)_[0-9]+` for `name_3.wav`. A
            file whose name does not match is a recording of its own.

    Raises:
        SourceError: the fractions leave nothing for training, the pattern has no group, or there
            are no class folders; or as `clip.collect`.
        ValueError: a link leads out of the root.

    Example:
        >>> ofa.read_folder("recordings", source_pattern="(.+)_[0-9]+").labels
        ('hiss', 'tone')
    """
    root = Path(root)
    _check_fractions(validation_fraction, evaluation_fraction)
    pattern = _compiled(source_pattern)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; --source names a folder of class folders")
    labels = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not labels:
        raise SourceError(f"{root} has no class folders; expected one per class")

    def split_of(path: Path) -> str:
        found = pattern.match(path.stem)
        share = _share(found.group(1) if found else path.stem)
        if share < validation_fraction:
            return VALIDATION
        return EVALUATION if share < validation_fraction + evaluation_fraction else TRAIN

    rows = []
    for label in labels:
        for name in _files(root, label):
            path = inside(root, name, str(root))
            rows.append(Row(Clip(name, path, (label,), split_of(path)), str(path)))
    return replace(collect(labels, rows, source_pattern=source_pattern), searched=root)


def _check_fractions(validation_fraction: float, evaluation_fraction: float) -> None:
    if min(validation_fraction, evaluation_fraction) < 0 or (
        validation_fraction + evaluation_fraction >= 1
    ):
        raise SourceError(
            "validation and evaluation fractions must not be negative and must sum to less than "
            f"1, received {validation_fraction} and {evaluation_fraction}"
        )


def _compiled(source_pattern: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(source_pattern)
    except re.error as error:
        raise SourceError(f"source pattern {source_pattern!r}: {error}") from error
    if pattern.groups < 1:
        raise SourceError(
            f"source pattern {source_pattern!r} needs a group that names the recording"
        )
    return pattern


def _files(root: Path, label: str) -> Iterator[str]:
    """Names relative to the root, with `/`, in a fixed order."""
    for folder, folders, files in os.walk(root / label):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _share(recording: str) -> float:
    digest = hashlib.sha256(os.fsencode(recording)).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
