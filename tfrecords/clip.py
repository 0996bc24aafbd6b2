"""The data classes that dataset readers return: clips with labels and splits. No TensorFlow."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aec_ofa_tf.classes import ClassCounts
from aec_ofa_tf.dataset import EVALUATION, SPLITS, TRAIN, VALIDATION
from aec_ofa_tf.labels import check_labels

__all__ = [
    "EVALUATION",
    "SPLITS",
    "TRAIN",
    "VALIDATION",
    "Clip",
    "Row",
    "Source",
    "SourceError",
    "collect",
]


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording.

    Attributes:
        id: unique name within its dataset; bytes that are not UTF-8 are kept as surrogates
            (`os.fsdecode`).
        file: path of the audio file: text, since a data set may have millions.
        labels: names of the events in the clip; empty if it has none of the label set.
        split: one of `SPLITS`.
        begin_secs: where the clip begins, if the file holds more than the clip.
        end_secs: where it ends then; None: the clip is the beginning of the file.
    """

    id: str
    file: str
    labels: tuple[str, ...]
    split: str
    begin_secs: float = 0.0
    end_secs: float | None = None

    @property
    def path(self) -> Path:
        """The audio file."""
        return Path(self.file)


@dataclass(frozen=True)
class Source:
    """A dataset as it was found on disk.

    Attributes:
        labels: the label set; its order is the order of the classes.
        clips: clips whose file exists.
        missing: clips that the dataset lists but whose file does not exist.
        facts: further information about the source that the manifest records (JSON values).
        searched: the folder whose files are all taken for clips; records within it would be too.
        notes: oddities that users should know, as sentences; `prepare` logs them.

    Raises:
        SourceError: no TFLite file can hold a label (`labels.check_labels`).
    """

    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    missing: tuple[Clip, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    searched: Path | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            check_labels(self.labels)
        except ValueError as error:
            raise SourceError(str(error)) from error

    def __repr__(self) -> str:
        clips = ", ".join(f"{len(self.split(split))} {split}" for split in SPLITS)
        return f"Source({len(self.labels)} labels, clips: {clips}; {len(self.missing)} missing)"

    @property
    def class_counts(self) -> ClassCounts:
        """Numbers of the clips whose file exists."""
        splits = {split: self.split(split) for split in SPLITS}
        return ClassCounts(
            self.labels,
            {split: len(clips) for split, clips in splits.items()},
            {
                split: Counter(label for clip in clips for label in clip.labels)
                for split, clips in splits.items()
            },
            len(self.labels) > 1 and all(len(clip.labels) == 1 for clip in self.clips),
        )

    def split(self, name: str) -> tuple[Clip, ...]:
        """The clips of one split, in the source's order."""
        return tuple(clip for clip in self.clips if clip.split == name)


def stable_hash(name: str) -> bytes:
    """SHA-256 of a name on disk: an order that does not change when other names are added."""
    return hashlib.sha256(os.fsencode(name)).digest()


class SourceError(ValueError):
    """A dataset contradicts itself or its format. The message names the place and the value."""


@dataclass(frozen=True, slots=True)
class Row:
    """A clip as read from a dataset's table, with its place ("file:line") for error messages."""

    clip: Clip
    place: str


def collect(
    labels: Iterable[str], rows: Iterable[Row], notes: Iterable[str] = (), **facts: object
) -> Source:
    """Builds a Source: checks splits and labels, drops repeated rows, separates missing clips.

    Args:
        labels: the label set, in the order of the classes.
        rows: the clips; a row may be repeated unchanged.
        notes: oddities that users should know.
        facts: further information about the source (JSON values).

    Raises:
        SourceError: a label or split is unknown, a label is listed twice, an id has two different
            rows, or one clip is in two splits.
    """
    names = tuple(labels)
    known = set(names)
    if len(known) < len(names):
        twice = sorted(name for name in known if names.count(name) > 1)
        raise SourceError(f"labels are listed twice: {twice}")
    seen: dict[str, Row] = {}
    for row in rows:
        _check_row(row, known)
        first = seen.setdefault(row.clip.id, row)
        if first.clip != row.clip:
            raise SourceError(_conflict(first, row))
    clips = [row.clip for row in seen.values()]
    present = [os.path.isfile(clip.file) for clip in clips]  # noqa: PTH113 - half the time
    return Source(
        labels=names,
        clips=tuple(clip for clip, is_file in zip(clips, present, strict=True) if is_file),
        missing=tuple(clip for clip, is_file in zip(clips, present, strict=True) if not is_file),
        facts=facts,
        notes=tuple(notes),
    )


def _check_row(row: Row, known: set[str]) -> None:
    if row.clip.split not in SPLITS:
        raise SourceError(
            f"{row.place}: split {row.clip.split!r} is unknown; use one of {', '.join(SPLITS)}"
        )
    unknown = [label for label in row.clip.labels if label not in known]
    if unknown:
        raise SourceError(
            f"{row.place}: label {unknown[0]!r} of clip {row.clip.id!r} is not in the label set; "
            "correct the row or add the label"
        )


def _conflict(first: Row, second: Row) -> str:
    if first.clip.split != second.clip.split:
        return (
            f"{second.place}: clip {second.clip.id!r} is in split {second.clip.split!r}, but "
            f"{first.place} puts it in {first.clip.split!r}; a clip belongs to one split"
        )
    return (
        f"{second.place}: clip {second.clip.id!r} differs from the row with the same id at "
        f"{first.place}; remove one of them"
    )
