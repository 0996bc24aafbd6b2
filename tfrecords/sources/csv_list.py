"""A CSV file with columns path, labels (separated by `;`) and split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aec_ofa_tf.files import inside
from tfrecords.clip import Clip, Row, Source, SourceError, collect
from tfrecords.sources.table import TableRow, read_cells, read_table

COLUMNS = ("path", "labels", "split")
LABEL_SEPARATOR = ";"


def read_csv(csv_file: Path | str, labels_file: Path | None = None) -> Source:
    """Reads a clip list; paths are relative to its folder and serve as ids.

    Args:
        csv_file: the list. Splits are train, validation and evaluation. The labels of a clip that
            contains nothing of the label set are empty.
        labels_file: the label set, one name per line, in the order of the classes. By default the
            label set is that of the list, sorted.

    Raises:
        SourceError: `csv_file` is a folder, a path leaves the list's folder, or no clip has a
            label; or as `table.read_table` and `clip.collect`.

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
    rows = list(_rows(csv_file))
    labels = read_labels(labels_file) if labels_file else _labels_of(rows)
    if not labels:
        raise SourceError(f"{csv_file}: no clip has a label")
    return collect(labels, rows, csv=csv_file.name)


def read_labels(path: Path) -> list[str]:
    """Reads label names, one per line.

    Raises:
        SourceError: a name contains the label separator, or the file is not plain UTF-8.
    """
    labels = []
    for cells, place in read_cells(path):
        if len(cells) != 1 or LABEL_SEPARATOR in cells[0]:
            raise SourceError(
                f"{place}: {cells!r} is not one label; quote a name that contains a comma"
            )
        labels.append(cells[0])
    return labels


def _rows(csv_file: Path) -> Iterator[Row]:
    for row in read_table(csv_file, COLUMNS):
        path = inside(csv_file.parent, row["path"], row.place)
        clip = Clip(str(PurePosixPath(row["path"])), path, _labels(row), row["split"])
        yield Row(clip, row.place)


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
