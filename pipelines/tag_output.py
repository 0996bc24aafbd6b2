"""Where tags go: a table for readers, a CSV for spreadsheets, a picture."""

from __future__ import annotations

import csv
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aec_ofa_tf.files import replacing, require_replaceable
from aec_ofa_tf.tagging.results import Tag, TagResult
from aec_ofa_tf.tagging.selection import LabelSelection
from aec_ofa_tf.tagging.tagger import WindowScores
from pipelines import program

if TYPE_CHECKING:
    from aec_ofa_tf.reporting.timeline import Timeline

CSV_COLUMNS = ("file", "begin_secs", "end_secs", "label", "score", "error")
MAX_PANELS = 20
"""Recordings in one picture."""


class Table:
    """Prints to stdout, each line when it is known.

    Args:
        per_window: whether windows are printed as well as recordings.
        persists: whether to go on when nobody reads stdout any more, because results go
            elsewhere too; otherwise that ends the program quietly.
        overall: how a recording's scores follow from its windows', "highest" or "mean".
    """

    def __init__(self, per_window: bool, persists: bool, overall: str = "highest") -> None:
        self._overall = overall
        self._per_window = per_window
        self._persists = persists
        self._file: str | None = None

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Prints a row per label: begin and end in seconds, score, label."""
        if not self._per_window:
            return
        if self._file is None:
            self._file = file
            self._say(file)
            self._say(f"  {'begin':>10} - {'end':>10}  score  label (times in seconds)")
        times = f"{scored.begin_secs:10.2f} - {scored.end_secs:10.2f}"
        for tag in tags:
            self._say(f"  {times}  {tag.score:.3f}  {tag.label}")
            times = " " * len(times)
        if not tags:
            self._say(f"  {times}      -")

    def recording(self, result: TagResult) -> None:
        """Prints the labels of a whole recording, or why there are none, and the speed."""
        if self._file is None:
            self._say(result.file)
        self._file = None
        if result.tags is None:
            self._say(f"  not tagged: {result.error}")
            return
        count = result.windows_scored
        self._say(
            f"  {result.audio_secs:.2f} s, {self._overall} of {count} window{'s' * (count > 1)}"
            f"{', interrupted' if result.interrupted else ''}"
        )
        self._say("  score  label")
        for tag in result.tags:
            self._say(f"  {tag.score:.3f}  {tag.label}")
        if not result.tags:
            self._say("      -  nothing reaches its threshold")
        self._say(
            f"  real-time factor {result.real_time_factor} (audio seconds per compute second)"
        )

    def _say(self, line: str) -> None:
        if not program.print_line(line) and not self._persists:
            sys.exit(program.CLOSED_PIPE)


class CsvFile:
    """A row per label of each recording or of each window.

    Where no label reaches its threshold there is a row without one; where a recording failed, a
    row with `error`.

    Args:
        file: open for text.
        per_window: whether rows are of windows.
    """

    def __init__(self, file: TextIO, per_window: bool) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(CSV_COLUMNS)
        self._per_window = per_window

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Writes the rows of a window."""
        if self._per_window:
            self._write(file, scored.begin_secs, scored.end_secs, tags)

    def recording(self, result: TagResult) -> None:
        """Writes the rows of a recording, or of its error."""
        if result.tags is None:
            self._writer.writerow([result.file, "", "", "", "", result.error])
        elif not self._per_window:
            self._write(result.file, 0.0, result.audio_secs, result.tags)

    def _write(self, file: str, begin_secs: float, end_secs: float, tags: Sequence[Tag]) -> None:
        times = [round(begin_secs, 6), round(end_secs, 6)]
        reported = [(tag.label, f"{tag.score}") for tag in tags] or [("", "")]
        self._writer.writerows([file, *times, label, score, ""] for label, score in reported)


@contextmanager
def open_csv(path: Path, per_window: bool) -> Iterator[CsvFile]:
    """A CSV that appears under its name when the block has succeeded, or was interrupted politely.

    Raises:
        ValueError: something stands there that is no file.
        OSError: it cannot be written.
    """
    # What is not UTF-8 in a file's name is escaped, as in the table.
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield CsvFile(file, per_window)


class Plot:
    """Keeps scores over time, a panel per recording, for the picture.

    Args:
        timeline_type: makes an empty panel.
    """

    def __init__(self, timeline_type: type[Timeline]) -> None:
        self._timeline_type = timeline_type
        self._current: Timeline | None = None
        self.panels: list[tuple[str, Timeline]] = []

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Adds a column."""
        del tags
        if self._current is None:
            self._current = self._timeline_type()
            self.panels.append((file, self._current))
        self._current.add(scored.begin_secs, scored.end_secs, scored.scores)

    def recording(self, result: TagResult) -> None:
        """Ends a panel; of a recording that failed, it shows what came before, and says so."""
        if result.error is not None and self._current is not None:
            self.panels[-1] = (f"{result.file} (not tagged to its end)", self._current)
        self._current = None


@contextmanager
def open_plot(path: Path, selection: LabelSelection) -> Iterator[Plot]:
    """A picture that is drawn, and appears under its name, when the block has succeeded.

    Args:
        path: the PNG file; `check_plot` has found nothing against it.
        selection: the labels and the scores that they must reach.

    Raises:
        OSError: it cannot be written.
    """
    from aec_ofa_tf.reporting.timeline import Timeline, draw_timelines  # needs the extra `plot`

    with replacing(path) as temporary:
        temporary.touch()  # so that a folder that cannot be written to is known at once
        plot = Plot(Timeline)
        yield plot
        draw_timelines(temporary, plot.panels, selection.labels, selection.thresholds)


def check_plot(path: Path, recordings: int) -> None:
    """Finds what would keep a picture from being drawn, before there is anything to lose.

    Raises:
        ValueError: matplotlib is missing, the path is no name of a PNG file, something stands
            there that is no file, or there are too many recordings.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"--plot draws a PNG file: name it *.png, received {path}")
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ValueError(
            f"--plot needs matplotlib ({error}): pip install matplotlib, or in a clone of "
            "this project pip install '.[plot]'"
        ) from error
    require_replaceable(path)
    if recordings > MAX_PANELS:
        raise ValueError(
            f"a picture shows at most {MAX_PANELS} recordings, received {recordings}; "
            "give fewer files or use --csv"
        )


def check_distinct(outputs: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuses an output that would replace a recording, the model or the other output.

    Raises:
        ValueError: two of the paths are one file.
    """
    taken = set(map(_identity, inputs))
    for name in outputs:
        identity = _identity(name)
        if identity in taken:
            raise ValueError(f"{name} is in use and would be overwritten; write elsewhere")
        taken.add(identity)


def _identity(name: str) -> tuple[int, int] | str:
    """What is the same for all names of one file, links among them."""
    try:
        status = os.stat(name)  # noqa: PTH116 - a name may hold what pathlib would change
    except (OSError, ValueError):
        return os.path.realpath(name)
    return status.st_dev, status.st_ino
