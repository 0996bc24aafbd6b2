"""The ESC-50 layout: `meta/esc50.csv` with official folds, recordings in `audio/`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.splits import drawn_rows
from tfrecords.sources.table import TableRow, read_table

COLUMNS = ("filename", "fold", "target", "category")
RECORDING = "src_file"


def read_esc50(
    root: Path | str,
    validation_folds: Sequence[int] = (4,),
    evaluation_folds: Sequence[int] = (5,),
    validation_fraction: float = 0.0,
) -> Source:
    """Reads the layout. The label of a clip is its category.

    Folds in neither list are for training. Clips of one recording are in the same fold, so no
    recording is in two splits; nor is one if the validation split is drawn.

    Args:
        root: folder with `meta/esc50.csv` and `audio/`.
        validation_folds: folds of the validation split.
        evaluation_folds: folds of the evaluation split.
        validation_fraction: share of the training recordings that is drawn, by class, for the
            validation split if it has no folds (`splits.draw_splits`); recordings are told apart
            by the column `src_file` if there is one.

    Raises:
        SourceError: a fold is in both lists or absent from the table, a target has two
            categories, or the fraction is outside [0, 1); or as `table.read_table` and
            `clip.collect`.

    Example:
        >>> source = ofa.read_esc50("ESC-50-master", validation_folds=[4], evaluation_folds=[5])
        >>> len(source.split("train"))
        12
    """
    root = Path(root)
    split_of = _split_of(validation_folds, evaluation_folds)
    table = root / "meta" / "esc50.csv"
    category_of: dict[int, str] = {}
    rows, folds, recordings = [], set(), {}
    for row in read_table(table, COLUMNS):
        fold = row.integer("fold")
        folds.add(fold)
        _add_category(category_of, row)
        path = inside(root / "audio", row["filename"], row.place)
        split = split_of.get(fold, TRAIN)
        recordings[row["filename"]] = row.cells.get(RECORDING) or row["filename"]
        rows.append(Row(Clip(row["filename"], str(path), (row["category"],), split), row.place))
    absent = sorted(split_of.keys() - folds)
    if absent:
        raise SourceError(
            f"{table}: fold {absent[0]} does not occur; the folds are {sorted(folds)}"
        )
    if not validation_folds and validation_fraction:
        rows = drawn_rows(rows, recordings, validation_fraction, 0.0)
    labels = [category_of[target] for target in sorted(category_of)]
    return collect(labels, rows, folds={str(fold): split_of.get(fold, TRAIN) for fold in folds})


def _split_of(validation_folds: Sequence[int], evaluation_folds: Sequence[int]) -> dict[int, str]:
    both = sorted(set(validation_folds) & set(evaluation_folds))
    if both:
        raise SourceError(f"fold {both[0]} cannot be for both validation and evaluation")
    return {
        **dict.fromkeys(validation_folds, VALIDATION),
        **dict.fromkeys(evaluation_folds, EVALUATION),
    }


def _add_category(category_of: dict[int, str], row: TableRow) -> None:
    category = row["category"]
    if not category:
        raise SourceError(f"{row.place}: the category is empty")
    known = category_of.setdefault(row.integer("target"), category)
    if known != category:
        raise SourceError(
            f"{row.place}: target {row['target']} is {category!r} here and {known!r} above"
        )
