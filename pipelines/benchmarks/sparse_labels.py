"""Recordings with many sparse labels: what a tagger with AudioSet's 527 labels hears in ESC-50.

python -m pipelines.benchmarks.sparse_labels TAGS.csv LIST.csv

`tag --csv=TAGS.csv` on the recordings, without --per_window, writes the first file. The second is a
list for --dataset=csv, in the recordings' folder or one above it; fold 5 is its validation split.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

from tfrecords.sources.csv_list import COLUMNS, LABEL_SEPARATOR

VALIDATION_FOLD = "5"


def rows(tags: Path, folder: Path) -> list[tuple[str, str, str]]:
    """A row of the list per recording, its path relative to the list's folder."""
    labels: dict[str, list[str]] = {}
    with tags.open(newline="", encoding="utf-8") as file:
        for tag in csv.DictReader(file):
            heard = labels.setdefault(tag["file"], [])
            if tag["label"]:
                heard.append(tag["label"])
    return [
        (
            os.path.relpath(path, folder),
            LABEL_SEPARATOR.join(heard),
            "validation" if Path(path).name.startswith(f"{VALIDATION_FOLD}-") else "train",
        )
        for path, heard in labels.items()
    ]


def main(tags: str, clips: str) -> None:
    """Writes the list; see the module's docstring."""
    with Path(clips).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows(Path(tags), Path(clips).parent)])


if __name__ == "__main__":
    main(*sys.argv[1:])
