"""A CSV file with columns path (relative to the file), labels (separated by `;`) and split."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.splits import check_given, coverage_notes, drawn_rows
from tfrecords.sources.table import TableRow, read_cells, read_lines, read_table

COLUMNS = ("path", "labels", "split")
LABEL_SEPARATOR = ";"
_QUOTED = re.compile(r'"([^"]|"")*"')
# So many files, from all over the list, decide whether its paths are relative to its folder.
_FILES_TRIED = 20


def read_csv(
    csv_file: Path | str,
    labels_file: Path | None = None,
    group_by: str | None = None,
    validation_fraction: float = 0.1,
    evaluation_fraction: float = 0.1,
) -> Source:
    """Reads a clip list; paths are relative to the folder of the list and serve as ids.

    Args:
        csv_file: the list. Splits are train, validation and evaluation. The labels of a clip that
            contains nothing of the label set are empty.
        labels_file: the label set, one name per line, in the order of the classes. By default the
            label set is that of the list, sorted.
        group_by: a column that names the speaker, site, device or recording of each clip, none of
            which may be in two splits. If the list has no column `split`, the splits are drawn by
            these groups (`splits.draw_splits`); "path" makes each file a group of its own. An
            empty cell means a group of its own, too.
        validation_fraction: share of the groups for validation, if splits are drawn.
        evaluation_fraction: share of the groups for evaluation, if splits are drawn.

    Raises:
        SourceError: `csv_file` is a folder, a path leaves the list's folder, none of
            20 files exists, no clip has a label, or a group is in two splits; or as
            `table.read_table` and `clip.collect`.

    Example:
        >>> ofa.read_csv("clips.csv").labels
        ('hiss', 'tone')
    """
    csv_file = Path(csv_file)
    if csv_file.is_dir():
        raise SourceError(
            f"{csv_file} is a folder; with --dataset=csv, --source is the list file itself (a CSV "
            f"file with columns {', '.join(COLUMNS)})"
        )
    group_of: dict[str, str] = {}
    draws = group_by is not None and "split" not in next(read_cells(csv_file), ([], ""))[0]
    rows = list(_rows(csv_file, () if draws else ("split",), group_by, group_of))
    _check_places(rows, csv_file)
    notes: tuple[str, ...] = ()
    facts = {"csv": csv_file.name, "group_by": group_by}
    if draws:
        fractions = {VALIDATION: validation_fraction, EVALUATION: evaluation_fraction}
        rows = drawn_rows(rows, group_of, *fractions.values())
        wanted = [split for split, share in fractions.items() if share > 0]
        notes = coverage_notes(rows, group_of, wanted, f"group_by={group_by!r} groups the clips")
        facts["split_rule"] = "stratified"
    elif group_by:
        check_given(rows, group_of, group_by)
    labels = read_labels(labels_file) if labels_file else _labels_of(rows)
    if not labels:
        raise SourceError(f"{csv_file}: no clip has a label")
    return collect(labels, rows, notes=notes, **facts)


def read_labels(path: Path) -> list[str]:
    """Reads label names, one per line, as in the `labels.txt` beside a model.

    A name in quotes is read as in a table: they are not part of it.

    Raises:
        SourceError: a name contains the label separator, or the file is not plain UTF-8.
    """
    labels = []
    for line, place in read_lines(path):
        (label,) = next(csv.reader([line])) if _QUOTED.fullmatch(line) else (line,)
        if LABEL_SEPARATOR in label:
            raise SourceError(
                f"{place}: the name {label!r} contains {LABEL_SEPARATOR!r}, which separates the "
                "labels of a clip in the list"
            )
        labels.append(label.strip())
    return labels


def _rows(
    csv_file: Path, split: tuple[str, ...], group_by: str | None, group_of: dict[str, str]
) -> Iterator[Row]:
    """The rows, with split `train` if there is no such column; adds every clip's group."""
    columns = (*COLUMNS[:2], *split, *([group_by] if group_by else []))
    for row in read_table(csv_file, columns):
        path = inside(csv_file.parent, row["path"], row.place)
        clip_id = str(PurePosixPath(row["path"]))
        if group_by:
            group_of[clip_id] = row[group_by] or clip_id
        clip = Clip(clip_id, str(path), _labels(row), row["split"] if split else TRAIN)
        yield Row(clip, row.place)


def _check_places(rows: list[Row], csv_file: Path) -> None:
    """Finds out from a few files that paths are relative to another folder.

    Raises:
        SourceError: none of them exists.
    """
    tried = [row.clip for row in rows[:: max(1, len(rows) // _FILES_TRIED)][:_FILES_TRIED]]
    if len(tried) < _FILES_TRIED or any(clip.path.is_file() for clip in tried):
        return
    name = tried[0].id
    folders = [Path.cwd(), csv_file.parent.parent, *csv_file.parent.glob("*/")]
    elsewhere = [folder / name for folder in folders if (folder / name).is_file()]
    found = f"; {elsewhere[0]} exists" if elsewhere else ""
    raise SourceError(
        f"{csv_file}: none of {_FILES_TRIED} files of the list exists, looked for "
        f"{csv_file.parent.absolute() / name}{found}. Paths are relative to the folder of the "
        "list: move the list or correct its paths"
    )


def _labels(row: TableRow) -> tuple[str, ...]:
    if not row["labels"]:
        return ()
    labels = tuple(label.strip() for label in row["labels"].split(LABEL_SEPARATOR))
    if not all(labels) or len(set(labels)) < len(labels):
        raise SourceError(
            f"{row.place}: labels {row['labels']!r} contain an empty or repeated name"
        )
    return labels


def _labels_of(rows: list[Row]) -> list[str]:
    return sorted({label for row in rows for label in row.clip.labels})
