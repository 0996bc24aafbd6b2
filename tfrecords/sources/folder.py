"""A folder per class, with or without folders of the splits above them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aec_ofa_tf.audio.io.folders import files_below, subfolders
from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.folder_by_hash import rows_by_hash
from tfrecords.sources.splits import (
    absent_splits,
    check_fractions,
    coverage_notes,
    drawn_rows,
)

# By default each file is a recording of its own.
WHOLE_NAME = "(.*)"
BY_FOLDER = "folder"
"""Value of `group_by`: files in one subfolder of a class belong together."""

STRATIFIED, BY_HASH = "stratified", "by_hash"
SPLIT_RULES = (STRATIFIED, BY_HASH)

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("evaluation", "eval", "test", "testing"), EVALUATION),
}


@dataclass(frozen=True)
class Grouping:
    """Which files of a folder were cut from one recording or have one speaker, site or device.

    Attributes:
        source_pattern: regular expression matched at the start of a file's name without suffix;
            its first group names the recording, for example `(.+)_[0-9]+` for `name_3.wav`. A file
            whose name does not match is a recording of its own.
        group_by: name of another group of the pattern, for example "speaker" for
            `(?P<speaker>.+)_nohash_.*`, or "folder": the subfolder within the class, whatever the
            class. None for the first group.

    Raises:
        SourceError: the pattern is malformed or has no group of this name.
    """

    source_pattern: str = WHOLE_NAME
    group_by: str | None = None

    def __post_init__(self) -> None:
        pattern = self._pattern
        if pattern.groups < 1:
            raise SourceError(
                f"source pattern {self.source_pattern!r} needs a group that names the recording"
            )
        if self.group_by not in (None, BY_FOLDER, *pattern.groupindex):
            raise SourceError(
                f"group_by={self.group_by!r} names no group of the source pattern "
                f"{self.source_pattern!r}; write (?P<{self.group_by}>...) there, or use "
                f"{BY_FOLDER!r} to group by the subfolders of the classes"
            )

    @property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.source_pattern)
        except re.error as error:
            raise SourceError(f"source pattern {self.source_pattern!r}: {error}") from error

    def recording_of(self, path: Path) -> str:
        """The name of a file's recording."""
        found = self._pattern.match(path.stem)
        name = found.group(1) if found else None
        return path.stem if name is None else name

    def group_of(self, path: Path, class_folder: Path) -> str:
        """The name of a file's group."""
        if self.group_by == BY_FOLDER:
            parent = path.relative_to(class_folder).parent.as_posix()
            return self.recording_of(path) if parent == "." else parent
        if self.group_by is None:
            return self.recording_of(path)
        found = self._pattern.match(path.stem)
        name = found.group(self.group_by) if found else None
        return path.stem if name is None else name


def read_folder(
    root: Path | str,
    validation_fraction: float = 0.1,
    evaluation_fraction: float = 0.1,
    source_pattern: str = WHOLE_NAME,
    group_by: str | None = None,
    split_rule: str = STRATIFIED,
) -> Source:
    """Reads `root/<class>/**/<file>`, or `root/<split>/<class>/**/<file>`.

    A folder whose subfolders are all named like splits, such as train and test, has the splits of
    these folders; a split without a folder is drawn from training. Otherwise splits are drawn as
    `splits.draw_splits` says: class by class, with all files of a recording in one split, across
    classes too. Hidden folders, folders of operating systems and archives (`__MACOSX`, `@eaDir`,
    `lost+found`) and folders without files are no classes. Links are followed within the root.

    Args:
        root: folder of class folders.
        validation_fraction: share of recordings in the validation split.
        evaluation_fraction: share of recordings in the evaluation split.
        source_pattern: which files are parts of one recording (`Grouping`).
        group_by: what else must not be in two splits (`Grouping`).
        split_rule: "stratified", or "by_hash" as in earlier versions, for existing records.

    Raises:
        SourceError: the fractions leave nothing for training, the pattern has no such group, the
            rule is unknown, or there are no class folders; or as `clip.collect`.
        ValueError: a link leads out of the root, or in a circle.
        OSError: a folder cannot be read.

    Example:
        >>> ofa.read_folder("recordings", source_pattern="(.+)_[0-9]+").labels
        ('hiss', 'tone')
    """
    root = Path(root)
    grouping = Grouping(source_pattern, group_by)
    if split_rule not in SPLIT_RULES:
        raise SourceError(f"split_rule is one of {SPLIT_RULES}, received {split_rule!r}")
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; --source names a folder of class folders")
    fractions = (validation_fraction, evaluation_fraction)
    check_fractions(*fractions)
    if split_rule == BY_HASH:
        labels, rows = rows_by_hash(root, fractions, grouping.recording_of)
        source = collect(labels, rows, source_pattern=source_pattern)
    else:
        source = _read(root, fractions, grouping)
    return replace(source, searched=root)


def has_split_folders(names: Sequence[str]) -> bool:
    """Whether folders of these names are splits, not classes."""
    splits = [_SPLIT_NAMES.get(name.lower()) for name in names]
    return len(splits) > 1 and TRAIN in splits and None not in splits


@dataclass(frozen=True)
class _Found:
    """The files of all class folders.

    Attributes:
        rows: a row per file; without folders of splits, all are in training.
        group_of: the group of every row, by the clip's id.
        empty: class folders without files, relative to the root.
        split_folders: whether folders of splits are above the class folders.
    """

    rows: list[Row]
    group_of: dict[str, str]
    empty: list[str]
    split_folders: bool


def _find(root: Path, grouping: Grouping) -> _Found:
    top = subfolders(root)
    given = has_split_folders(top) and all(subfolders(root / name) for name in top)
    group_of: dict[str, str] = {}
    rows: list[Row] = []
    empty: list[str] = []
    for name in top:
        classes = [f"{name}/{label}" for label in subfolders(root / name)] if given else [name]
        for place in classes:
            split = _SPLIT_NAMES[name.lower()] if given else TRAIN
            found = list(_class_rows(root, place, split))
            rows += found
            if not found:
                empty.append(place)
            for row in found:
                group_of[row.clip.id] = grouping.group_of(row.clip.path, root / place)
    if not rows:
        raise SourceError(
            f"{root} has no class folders with files; expected a folder per class, or train, "
            "validation and test with a folder per class in each"
        )
    return _Found(rows, group_of, empty, given)


def _read(root: Path, fractions: tuple[float, float], grouping: Grouping) -> Source:
    found = _find(root, grouping)
    drawn = {VALIDATION: fractions[0], EVALUATION: fractions[1]}
    if found.split_folders:
        absent = absent_splits(found.rows)
        drawn = {split: share if split in absent else 0.0 for split, share in drawn.items()}
    rows = drawn_rows(found.rows, found.group_of, drawn[VALIDATION], drawn[EVALUATION])
    wanted = [split for split, share in drawn.items() if share > 0]
    remedy = f"source_pattern={grouping.source_pattern!r} groups the files"
    covered = [row for row in rows if row.clip.split in (TRAIN, *wanted)]
    may_leak = found.split_folders and grouping != Grouping()
    notes = [
        *([f"not a class, for lack of files: {', '.join(found.empty)}"] if found.empty else []),
        *(_leak_notes(rows, found.group_of) if may_leak else []),
        *coverage_notes(covered, found.group_of, wanted, remedy),
    ]
    return collect(
        sorted({label for row in rows for label in row.clip.labels}),
        rows,
        notes=notes,
        source_pattern=grouping.source_pattern,
        group_by=grouping.group_by,
        split_rule=STRATIFIED,
        split_folders=found.split_folders,
    )


def _class_rows(root: Path, place: str, split: str) -> Iterable[Row]:
    label = place.rpartition("/")[2]
    for path in files_below(root / place, root):
        name = path.relative_to(root).as_posix()
        clip = Clip(name, str(inside(root, name, str(root))), (label,), split)
        yield Row(clip, str(path))


def _leak_notes(rows: Sequence[Row], group_of: dict[str, str]) -> list[str]:
    """Names recordings that the folders of the splits share."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[group_of[row.clip.id]].add(row.clip.split)
    shared = sorted(group for group, found in splits.items() if len(found) > 1)
    if not shared:
        return []
    return [
        f"{len(shared)} recordings are in several splits, such as {shared[0]!r}: a model is "
        "tested on what it has learnt"
    ]
