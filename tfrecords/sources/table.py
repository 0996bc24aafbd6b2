"""A strict reader of CSV tables, whose errors name the file, the line and the value."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfrecords.clip import SourceError


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        cells: column name -> value, without surrounding space.
        place: "file:line", for error messages.
    """

    cells: dict[str, str]
    place: str

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def integer(self, column: str) -> int:
        """The cell as an integer.

        Raises:
            SourceError: the cell is not an integer.
        """
        try:
            return int(self.cells[column])
        except ValueError as error:
            raise SourceError(
                f"{self.place}: {column} {self.cells[column]!r} is not a whole number"
            ) from error


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[TableRow]:
    """Yields the rows of a CSV file with a header; empty lines are skipped.

    Args:
        path: the file.
        columns: columns that the header must contain.

    Raises:
        SourceError: a column is absent, or a row has another number of cells than the header.
        FileNotFoundError: there is no such file.
    """
    rows = read_cells(path)
    header, place = next(rows, ([], f"{path}:1"))
    absent = [column for column in columns if column not in header]
    if absent:
        raise SourceError(
            f"{place}: column {absent[0]!r} is absent; the header {','.join(header)!r} must "
            f"contain {', '.join(columns)}"
        )
    for cells, place in rows:
        if len(cells) != len(header):
            raise SourceError(
                f"{place}: {len(cells)} cells, expected {len(header)} as in the header: {cells!r}"
            )
        yield TableRow(dict(zip(header, cells, strict=True)), place)


def read_cells(path: Path) -> Iterator[tuple[list[str], str]]:
    """Yields cells and place of every line that is not empty; spaces around cells are removed.

    Raises:
        SourceError: the file has a byte-order mark, bytes that are not UTF-8, or broken quoting.
        FileNotFoundError: there is no such file.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), skipinitialspace=True, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SourceError(f"{path}:{reader.line_num}: malformed row ({error})") from error
        if cells is None:
            return
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield stripped, f"{path}:{reader.line_num}"


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yields text and place of every line that is not empty; spaces around it are removed.

    Raises:
        SourceError: the file has a byte-order mark or bytes that are not UTF-8.
        FileNotFoundError: there is no such file.
    """
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            yield line.strip(), f"{path}:{number}"


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; check --source and its layout")
    data = path.read_bytes()
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            raise SourceError(
                f"{path}:1: begins with the byte-order mark {mark!r}; save it as UTF-8 without it"
            )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        value = data[error.start : error.start + 16]
        raise SourceError(
            f"{path}:{line}: {value!r} is not UTF-8; save the file as UTF-8"
        ) from error
