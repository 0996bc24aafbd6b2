"""Tables as Markdown, CSV and JSON. No TensorFlow here."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from aec_ofa_tf.files import replacing, write_json

Row = Mapping[str, object]


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A Markdown table.

    Args:
        rows: dicts; a missing value gives an empty cell.
        columns: keys of the rows with the format of their values, such as ",d" or ".3f".
    """
    cells = [{name: _text(row.get(name), form) for name, form in columns.items()} for row in rows]
    align = ["right" if form else "left" for form in columns.values()]
    return tabulate(cells, headers="keys", tablefmt="github", disable_numparse=True, colalign=align)


def write_tables(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    stem: Path,
    about: Mapping[str, object],
    notes: Sequence[object] = (),
) -> str:
    """Writes `stem`.md and `stem`.csv with the given columns, and `stem`.json with all columns.

    Args:
        rows: as for `markdown`.
        columns: as for `markdown`; CSV has unformatted values.
        stem: path without suffix.
        about: further entries of the JSON file, beside `rows`.
        notes: sentences below the Markdown table.

    Returns:
        The Markdown table with its notes.
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
    return text


def _text(value: object, form: str) -> str:
    return "" if value is None else format(value, form)
