"""The outputs of `tag`: a table on stdout, a CSV file and a picture."""

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
"""Maximum number of recordings in one picture."""


class Table:
    """Prints a table to stdout, each line as soon as it is known.

    Args:
        per_window: whether windows are printed as well as recordings.
        persists: whether tagging continues after the reader of stdout has closed the pipe, because
            there are other outputs; if False, the program then ends without an error.
        overall: how a recording's scores follow from those of its windows, "highest" or "mean".
    """

    def __init__(self, per_window: bool, persists: bool, overall: str = "highest") -> None:
        self._overall = overall
        self._per_window = per_window
        self._persists = persists
        self._file: str | None = None

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Prints a row per label: start and end in seconds, score, label."""
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
        """Prints the labels of a whole recording and the speed, or why it was not tagged."""
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
    """Writes a row per label of each recording or of each window.

    A recording or window whose labels all miss their thresholds has a row without a label. A
    recording that failed has a row with `error`.

    Args:
        file: a file that is open for writing text.
        per_window: whether to write windows instead of recordings.
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
        """Writes the rows of a recording, or a row with its error."""
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
    """A CSV file that gets its name when the block ends without an error.

    Raises:
        ValueError: the path is a folder, a pipe or a device.
        OSError: the file cannot be written.
    """
    # Bytes that are not UTF-8 in a file's name are escaped, as in the table.
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield CsvFile(file, per_window)


class Plot:
    """Keeps the scores over time for the picture, a panel per recording.

    Args:
        timeline_type: class of a panel's scores.
    """

    def __init__(self, timeline_type: type[Timeline]) -> None:
        self._timeline_type = timeline_type
        self._current: Timeline | None = None
        self.panels: list[tuple[str, Timeline]] = []

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Adds the scores of a window to the recording's panel."""
        del tags
        if self._current is None:
            self._current = self._timeline_type()
            self.panels.append((file, self._current))
        self._current.add(scored.begin_secs, scored.end_secs, scored.scores)

    def recording(self, result: TagResult) -> None:
        """Ends a panel. If the recording failed, its title says so."""
        if result.error is not None and self._current is not None:
            self.panels[-1] = (f"{result.file} (not tagged to its end)", self._current)
        self._current = None


@contextmanager
def open_plot(path: Path, selection: LabelSelection) -> Iterator[Plot]:
    """A picture that is drawn when the block ends without an error.

    Args:
        path: the PNG file, which `check_plot` has accepted.
        selection: the labels and their thresholds.

    Raises:
        OSError: the file cannot be written.
    """
    from aec_ofa_tf.reporting.timeline import Timeline, draw_timelines  # needs the extra `plot`

    with replacing(path) as temporary:
        temporary.touch()  # fails at once if the folder is not writable
        plot = Plot(Timeline)
        yield plot
        draw_timelines(temporary, plot.panels, selection.labels, selection.thresholds)


def check_plot(path: Path, recordings: int) -> None:
    """Checks before tagging that a picture can be drawn.

    Raises:
        ValueError: matplotlib is missing, the path does not end in .png or is a folder, a pipe or a
            device, or there are too many recordings.
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
    """Checks that no output would replace a recording, the model or the other output.

    Raises:
        ValueError: an output is the same file as another of the paths.
    """
    taken = set(map(_identity, inputs))
    for name in outputs:
        identity = _identity(name)
        if identity in taken:
            raise ValueError(f"{name} is in use and would be overwritten; give another path")
        taken.add(identity)


def _identity(name: str) -> tuple[int, int] | str:
    """Identifies a file: equal for all its names, including links."""
    try:
        status = os.stat(name)  # noqa: PTH116 - pathlib would normalise the name
    except (OSError, ValueError):
        return os.path.realpath(name)
    return status.st_dev, status.st_ino
