"""Scores of clips that somebody else's teacher has written into a file. No TensorFlow here."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from aec_ofa_tf.files import DAMAGE_ERRORS

_SUM_TOLERANCE = 0.01
_NAMED = 3


@dataclass(frozen=True, eq=False)
class StoredScores:
    """The scores in a file.

    Attributes:
        path: the file.
        labels: the classes, in the order of the columns; None if the file does not name them.
        scores: float32 [clips, classes].
        row_of: the row of every clip, by its id.
    """

    path: Path
    labels: tuple[str, ...] | None
    scores: np.ndarray
    row_of: dict[str, int]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> StoredScores:
        """Reads a file.

        A `.csv` file has a line `id,LABEL,LABEL,...`, then a line of numbers per clip. A `.npz`
        file has the arrays `ids`, text [clips], `scores`, float [clips, classes], and perhaps
        `labels`, text [classes].

        Raises:
            ValueError: the file is neither, or an id or a label occurs twice.
            OSError: the file cannot be read.
        """
        path = Path(path)
        readers = {".csv": _read_csv, ".npz": _read_npz}
        if path.suffix.lower() not in readers:
            raise ValueError(f"{path} must be a .csv or an .npz file of clip ids and scores")
        try:
            ids, scores, labels = readers[path.suffix.lower()](path)
        except OSError:
            raise
        except (csv.Error, *DAMAGE_ERRORS) as error:
            raise ValueError(f"{path} does not hold clip ids and scores ({error})") from error
        for what, names in (("clip", ids), ("label", labels or ())):
            twice = [one for one, after in pairwise(sorted(names)) if one == after]
            if twice:
                raise ValueError(f"{path}: the {what} {twice[0]!r} occurs twice; remove one")
        return cls(path, labels, scores, {clip: row for row, clip in enumerate(ids)})

    def of_classes(self, labels: Sequence[str], single_label: bool) -> StoredScores:
        """The scores with their columns in the order of `labels`.

        Args:
            labels: the classes of the records.
            single_label: whether the scores of a clip must sum to 1.

        Raises:
            ValueError: the file has other classes, or scores that are no probabilities.
        """
        check_classes(self.path, self.labels, self.scores.shape[1], labels, exact=single_label)
        columns = [self.labels.index(label) for label in labels] if self.labels else slice(None)
        scores = self.scores[:, columns]
        check_probabilities(self.path, list(self.row_of), scores, single_label)
        return StoredScores(self.path, tuple(labels), scores, self.row_of)

    def check_covers(self, ids: Sequence[str]) -> None:
        """Checks that every clip has scores.

        Raises:
            ValueError: some have none; names how many, and the first.
        """
        absent = [clip for clip in ids if clip not in self.row_of]
        if absent:
            some = ", ".join(map(repr, absent[:_NAMED]))
            raise ValueError(
                f"{self.path} has no scores of {len(absent)} of {len(ids)} training clips, such as "
                f"{some}; ids are those of the records, for example {ids[0]!r}"
            )

    def of_clips(self, ids: Sequence[str]) -> np.ndarray:
        """The scores of clips, float32 [clips, classes]."""
        return self.scores[[self.row_of[clip] for clip in ids]]


def check_classes(
    path: Path,
    labels: Sequence[str] | None,
    classes: int,
    wanted: Sequence[str],
    exact: bool,
) -> None:
    """Checks that a teacher scores the classes of the records, in any order.

    Args:
        path: the teacher's file, for the message.
        labels: its classes; None: only their number is known.
        classes: number of its scores.
        wanted: the classes of the records.
        exact: whether it may score no other classes: a softmax over more of them sums to less.

    Raises:
        ValueError: it does not score all of them, or others.
    """
    if labels is None:
        if classes != len(wanted):
            raise ValueError(
                f"{path} has {classes} scores per clip, the records have {len(wanted)} labels"
            )
        return
    absent = sorted(set(wanted) - set(labels))
    foreign = sorted(set(labels) - set(wanted)) if exact else []
    if absent or foreign:
        told = [
            f"{what} {', '.join(map(repr, names[:_NAMED]))}" + (" ..." if names[_NAMED:] else "")
            for what, names in (("it lacks", absent), ("it has besides", foreign))
            if names
        ]
        raise ValueError(f"{path} scores other labels than the records: {'; '.join(told)}")


def check_probabilities(
    path: Path, ids: Sequence[str], scores: np.ndarray, single_label: bool
) -> None:
    """Checks a teacher's scores.

    Args:
        path: the teacher's file, for the message.
        ids: of the clips.
        scores: [clips, classes].
        single_label: whether the scores of a clip must sum to 1.

    Raises:
        ValueError: scores are outside [0, 1] or do not sum to 1; names the first clip.
    """
    outside = ~((scores >= 0) & (scores <= 1)).all(axis=1)  # NaN is neither
    if outside.any():
        raise ValueError(
            f"{path}: the scores of clip {ids[outside.argmax()]!r} are not all in [0, 1]: a "
            "teacher gives probabilities, not logits"
        )
    errors = np.abs(scores.sum(axis=1) - 1)
    if single_label and errors.max(initial=0) > _SUM_TOLERANCE:
        first = int((errors > _SUM_TOLERANCE).argmax())
        raise ValueError(
            f"{path}: the scores of clip {ids[first]!r} sum to {scores[first].sum():.3f}; with one "
            "label per clip they sum to 1 (a softmax)"
        )


def _read_csv(path: Path) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        first, *labels = next(rows, [""])
        if first != "id" or not labels:
            raise ValueError("the first line must be id and the labels, separated by commas")
        ids, scores = [], []
        for row in rows:
            if len(row) != 1 + len(labels):
                raise ValueError(
                    f"line {rows.line_num} has {len(row)} cells instead of {1 + len(labels)}"
                )
            ids.append(row[0])
            scores.append(np.array(row[1:], np.float32))
    return ids, np.array(scores, np.float32).reshape(len(ids), len(labels)), tuple(labels)


def _read_npz(path: Path) -> tuple[list[str], np.ndarray, tuple[str, ...] | None]:
    with np.load(path, allow_pickle=False) as arrays:
        ids, scores = [str(one) for one in arrays["ids"]], arrays["scores"].astype(np.float32)
        labels = tuple(map(str, arrays["labels"])) if "labels" in arrays else None
    if scores.ndim != 2 or len(scores) != len(ids) or (labels and len(labels) != scores.shape[1]):
        raise ValueError(
            f"ids, labels and scores have {len(ids)}, {len(labels or ())} and {scores.shape} values"
        )
    return ids, scores, labels
