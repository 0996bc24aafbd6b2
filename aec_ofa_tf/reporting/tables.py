"""Tables as Markdown, CSV and JSON. No TensorFlow here."""

from __future__ import annotations

import csv
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from aec_ofa_tf.files import replacing, write_json
from aec_ofa_tf.terminal import is_terminal

Row = Mapping[str, object]


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A Markdown table.

    Args:
        rows: dicts; a missing value gives an empty cell.
        columns: keys of the rows with the format of their values, such as ",d" or ".3f".
    """
    align = ["right" if form else "left" for form in columns.values()]
    return tabulate(
        _cells(rows, columns),
        headers="keys",
        tablefmt="github",
        disable_numparse=True,
        colalign=align,
    )


def shown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """The same for people: on a terminal that is too narrow for the table, a block for each row.

    Args:
        rows: as for `markdown`.
        columns: as for `markdown`.
    """
    table = markdown(rows, columns)
    width = shutil.get_terminal_size().columns  # 80 if unknown
    if not is_terminal() or max(map(len, table.splitlines())) <= width:
        return table
    indent = max(map(len, columns)) + 4
    return "\n\n".join(_block(cells, indent, width) for cells in _cells(rows, columns))


def write_tables(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    stem: Path,
    about: Mapping[str, object],
    notes: Sequence[object] = (),
) -> None:
    """Writes `stem`.md and `stem`.csv with the given columns, and `stem`.json with all columns.

    Args:
        rows: as for `markdown`.
        columns: as for `markdown`; CSV has unformatted values.
        stem: path without suffix.
        about: further entries of the JSON file, beside `rows`.
        notes: sentences below the Markdown table.
    """
    text = "\n".join([markdown(rows, columns), *(f"\n{note}" for note in notes)])
    with replacing(stem.with_suffix(".md")) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    with (
        replacing(stem.with_suffix(".csv")) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    write_json(stem.with_suffix(".json"), {**about, "rows": list(rows)})


def _cells(rows: Sequence[Row], columns: Mapping[str, str]) -> list[dict[str, str]]:
    return [{name: _text(row.get(name), form) for name, form in columns.items()} for row in rows]


def _block(cells: Mapping[str, str], indent: int, width: int) -> str:
    """A line for each cell, the first as the heading; longer texts go on below themselves."""
    heading, *others = cells.items()
    texts = [heading[1] or heading[0]]
    for name, text in others:
        parts = textwrap.wrap(text, max(width - indent, 20), break_on_hyphens=True) or [""]
        texts += [
            f"  {name:{indent - 4}}  {parts[0]}",
            *(" " * indent + part for part in parts[1:]),
        ]
    return "\n".join(texts)


def _text(value: object, form: str) -> str:
    return "" if value is None else format(value, form)
