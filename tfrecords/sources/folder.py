"""A folder per class, with or without folders of the splits above them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aec_ofa_tf.audio.io.folders import files_below
from aec_ofa_tf.audio.io.suffixes import is_no_sound, suffix_of
from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.class_folders import ClassFolders, find_class_folders
from tfrecords.sources.folder_by_hash import rows_by_hash
from tfrecords.sources.splits import (
    absent_splits,
    check_fractions,
    coverage_notes,
    drawn_rows,
)
from tfrecords.sources.twins import twins

# By default each file is a recording of its own.
WHOLE_NAME = "(.*)"
BY_FOLDER = "folder"
"""Value of `group_by`: files in one subfolder of a class belong together."""

STRATIFIED, BY_HASH = "stratified", "by_hash"
SPLIT_RULES = (STRATIFIED, BY_HASH)


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

    def recording_of(self, path: Path) -> str | None:
        """The name of a file's recording; None if the file is a recording of its own."""
        return None if self.source_pattern == WHOLE_NAME else self._found(path, 1)

    def group_of(self, path: Path, class_folder: Path) -> str | None:
        """The name of a file's group; None for a group of its own."""
        if self.group_by == BY_FOLDER:
            parent = path.relative_to(class_folder).parent.as_posix()
            return self.recording_of(path) if parent == "." else parent
        if self.group_by is None:
            return self.recording_of(path)
        return self._found(path, self.group_by)

    def name_in_first_version(self, path: Path) -> str:
        """The name of a file's recording by which the first version split."""
        found = self._found(path, 1)
        return path.stem if found is None else found

    def _found(self, path: Path, group: int | str) -> str | None:
        found = self._pattern.match(path.stem)
        return found.group(group) if found else None


def read_folder(
    root: Path | str,
    validation_fraction: float = 0.1,
    evaluation_fraction: float = 0.1,
    source_pattern: str = WHOLE_NAME,
    group_by: str | None = None,
    split_rule: str = STRATIFIED,
) -> Source:
    """Reads `root/<class>/**/<file>`, or `root/<split>/<class>/**/<file>`.

    Subfolders named like splits, such as train and test, with class folders inside, are splits; a
    split without a folder is drawn from training. Otherwise splits are drawn as
    `splits.draw_splits` says: class by class, with all files of a recording in one split, across
    classes too. Each file is a recording of its own, whatever other folders call theirs, except for
    copies in the folders of several classes and for what `source_pattern` takes together. Hidden
    folders, folders of operating systems and archives (`__MACOSX`, `@eaDir`, `lost+found`) and
    folders without sound are no classes. Texts, pictures and the like (by suffix) are left out.
    Links are followed within the root.

    Args:
        root: folder of class folders.
        validation_fraction: share of recordings in the validation split.
        evaluation_fraction: share of recordings in the evaluation split.
        source_pattern: which files are parts of one recording (`Grouping`).
        group_by: what else must not be in two splits (`Grouping`).
        split_rule: "stratified", or "by_hash" as in earlier versions, for existing records.

    Raises:
        SourceError: the fractions leave nothing for training, the pattern has no such group, the
            rule is unknown, there are no class folders, or other recordings lie beside folders of
            splits; or as `clip.collect`.
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
        labels, rows = rows_by_hash(root, fractions, grouping.name_in_first_version)
        source = collect(labels, rows, source_pattern=source_pattern)
    else:
        source = _read(root, fractions, grouping)
    return replace(source, searched=root)


@dataclass(frozen=True)
class _Found:
    """The files of all class folders.

    Attributes:
        rows: a row per file; without folders of splits, all are in training.
        group_of: the group of every row, by the clip's id.
        order_of: a group of one recording -> its name without folders, by which it is ordered.
        folders: where they were found.
        no_sound: files that are left out because of their suffix.
        copies: each file that repeats one of another class -> that file.
    """

    rows: list[Row]
    group_of: dict[str, str]
    order_of: dict[str, str]
    folders: ClassFolders
    no_sound: list[Path]
    copies: dict[Path, Path]


def _find(root: Path, grouping: Grouping) -> _Found:
    folders = find_class_folders(root)
    if not folders.split_of:
        raise SourceError(
            f"{root} has no class folders with files; expected a folder per class, or train, "
            "validation and test with a folder per class in each"
        )
    rows: list[Row] = []
    group_of: dict[str, str] = {}
    no_sound: list[Path] = []
    places: dict[Path, str] = {}  # of recordings of their own
    for folder, split in folders.split_of.items():
        for path in files_below(root / folder, root):
            if is_no_sound(path):
                no_sound.append(path)
                continue
            rows.append(_row(root, path, folder, split))
            group = grouping.group_of(path, root / folder)
            if group is None:
                places[path] = path.relative_to(root / folder).as_posix()
            else:
                group_of[rows[-1].clip.id] = group
    copies, order_of = twins(places), {}
    for path in places:
        # The formats of one recording have one name but for the suffix.
        name = copies.get(path, path).relative_to(root).with_suffix("").as_posix()
        group_of[path.relative_to(root).as_posix()] = name
        order_of[name] = path.stem
    return _Found(rows, group_of, order_of, folders, no_sound, copies)


def _row(root: Path, path: Path, place: str, split: str) -> Row:
    name = path.relative_to(root).as_posix()
    label = place.rpartition("/")[2]
    return Row(Clip(name, str(inside(root, name, str(root))), (label,), split), str(path))


def _read(root: Path, fractions: tuple[float, float], grouping: Grouping) -> Source:
    found = _find(root, grouping)
    has_splits = found.folders.has_splits
    drawn = {VALIDATION: fractions[0], EVALUATION: fractions[1]}
    if has_splits:
        absent = absent_splits(found.rows)
        drawn = {split: share if split in absent else 0.0 for split, share in drawn.items()}
    rows = drawn_rows(
        found.rows,
        found.group_of,
        drawn[VALIDATION],
        drawn[EVALUATION],
        order_of=found.order_of,
    )
    wanted = [split for split, share in drawn.items() if share > 0]
    remedy = f"source_pattern={grouping.source_pattern!r} groups the files"
    covered = [row for row in rows if row.clip.split in (TRAIN, *wanted)]
    notes = [
        *found.folders.notes,
        *_file_notes(found),
        *(_split_notes(rows, found.group_of, wanted) if has_splits else []),
        *coverage_notes(covered, found.group_of, wanted, remedy),
    ]
    return collect(
        sorted({label for row in rows for label in row.clip.labels}),
        rows,
        notes=notes,
        source_pattern=grouping.source_pattern,
        group_by=grouping.group_by,
        split_rule=STRATIFIED,
        split_folders=has_splits,
    )


def _file_notes(found: _Found) -> list[str]:
    notes = []
    if found.no_sound:
        counts = Counter(suffix_of(path) for path in found.no_sound).most_common()
        named = ", ".join(f"{count} {suffix}" for suffix, count in counts)
        notes.append(
            f"left out, because their suffix is not that of sound: {named}, such as "
            f"{found.no_sound[0]}"
        )
    if found.copies:
        copy, first = next(iter(found.copies.items()))
        notes.append(
            f"{len(found.copies)} files are copies of files in other folders, such as "
            f"{copy} of {first}: copies count as one recording"
        )
    return notes


def _split_notes(rows: Sequence[Row], group_of: dict[str, str], wanted: Sequence[str]) -> list[str]:
    notes = _leak_notes(rows, group_of)
    if wanted:
        notes.append(f"{' and '.join(wanted)} clips are drawn from training: they have no folder")
    return notes


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
