"""Finds class folders, and the folders of splits that may lie above them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.audio.io.folders import files_below, files_in, subfolders
from aec_ofa_tf.audio.io.suffixes import is_no_sound, preference
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, SourceError

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("evaluation", "eval", "test", "testing"), EVALUATION),
}
_NAMED = 5


@dataclass(frozen=True)
class ClassFolders:
    """The class folders of a folder of recordings.

    Attributes:
        split_of: class folder, relative to the root -> its split; "train" if there are no folders
            of splits.
        has_splits: whether folders of splits are above the class folders.
        empty: folders without a file that may be sound, relative to the root.
        strays: sound files that lie in no class folder.
    """

    split_of: dict[str, str]
    has_splits: bool
    empty: tuple[str, ...]
    strays: tuple[Path, ...]

    @property
    def notes(self) -> list[str]:
        """What users should know about the folders, as sentences."""
        notes = []
        if self.empty:
            notes.append(f"not a class, for lack of files: {', '.join(self.empty)}")
        if self.strays:
            notes.append(
                f"left out, because they lie in no class folder: {len(self.strays)} sound files "
                f"such as {self.strays[0]}"
            )
        if not self.has_splits and len(self.split_of) > 1 and _are_splits(list(self.split_of)):
            notes.append(
                f"{', '.join(self.split_of)} are taken for classes, because there are no folders "
                "in them; if they are splits, they need a folder per class"
            )
        return notes


def find_class_folders(root: Path) -> ClassFolders:
    """Finds the class folders of a folder of recordings.

    Folders named like splits, of which one has class folders inside, are splits. Folders without a
    file that may be sound count for nothing: empty ones, and those of pictures and texts.

    Raises:
        SourceError: beside folders of splits lie recordings that belong to none, or training has
            no folder.
        ValueError, OSError: as `files_below`.
    """
    top = subfolders(root)
    holding = [name for name in top if _holds_sound(root / name, root)]
    empty = [name for name in top if name not in holding]
    inside = {name: subfolders(root / name) for name in holding if name.lower() in _SPLIT_NAMES}
    classes = {
        name: [label for label in labels if _holds_sound(root / name / label, root)]
        for name, labels in inside.items()
    }
    splits = [name for name, labels in classes.items() if labels]
    if not splits:
        return ClassFolders(dict.fromkeys(holding, TRAIN), False, tuple(empty), _sounds_in(root))
    _check_splits(root, splits, holding)
    empty += [
        f"{name}/{label}" for name in splits for label in inside[name] if label not in classes[name]
    ]
    return ClassFolders(
        {f"{name}/{label}": _split(name) for name in splits for label in classes[name]},
        True,
        tuple(empty),
        tuple(
            path
            for folder in (root, *(root / name for name in splits))
            for path in _sounds_in(folder)
        ),
    )


def recordings_below(folder: Path, root: Path) -> Iterator[Path]:
    """The files in a class folder that may be sound.

    Raises:
        ValueError, OSError: as `files_below`.
    """
    return (path for path in files_below(folder, root) if not is_no_sound(path))


def _check_splits(root: Path, splits: list[str], holding: list[str]) -> None:
    flat = [name for name in holding if name.lower() in _SPLIT_NAMES and name not in splits]
    others = [name for name in holding if name.lower() not in _SPLIT_NAMES]
    problems = [
        *([f"there are no class folders in {_listed(flat)}"] if flat else []),
        *([f"{_listed(others)} beside them cannot be a split"] if others else []),
    ]
    remedy = f"Move {_listed([*flat, *others])} elsewhere, or the files to class folders of a split"
    if TRAIN not in map(_split, splits):
        problems.append("there is no folder train with a folder per class")
        remedy = "Add it"
    if problems:
        raise SourceError(
            f"{root} looks like splits, with class folders in {_listed(splits)}, but "
            f"{' and '.join(problems)}. {remedy}; rename {_listed(splits)} if these are classes"
        )


def _holds_sound(folder: Path, root: Path) -> bool:
    return next(recordings_below(folder, root), None) is not None


def _sounds_in(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in files_in(folder) if preference(path) is not None)


def _split(name: str) -> str:
    return _SPLIT_NAMES[name.lower()]


def _are_splits(names: list[str]) -> bool:
    return all(name.lower() in _SPLIT_NAMES for name in names)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
