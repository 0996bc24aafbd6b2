"""What `tag` does: recordings to labels, window by window, told as they come. No TensorFlow."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aec_ofa_tf.audio.io.pcm_stream import PcmFormat
from aec_ofa_tf.audio.io.sound_reader import WaveformReader
from aec_ofa_tf.audio.io.sound_source import STANDARD_INPUT, DecodeError
from aec_ofa_tf.tagging.selection import LabelSelection
from aec_ofa_tf.tagging.tagger import Tagger, WindowScores
from aec_ofa_tf.tagging.windows import OverallScores
from pipelines.interrupts import Interrupts

RECENT_WINDOWS = 10_000
"""Windows of a recording that the result lists; of a longer one, the last so many."""

_log = logging.getLogger(__name__)


class Output(Protocol):
    """Where results go as they come."""

    def window(self, file: str, scored: WindowScores, tags: list[dict[str, Any]]) -> None:
        """Takes a window of a recording; `tags` are labels and scores."""

    def recording(self, result: dict[str, Any]) -> None:
        """Takes the result of a whole recording, after its windows."""


@dataclass(frozen=True)
class Windows:
    """How a recording is cut and what is told of it.

    Attributes:
        hop_secs: from a window's begin to the next one's; None is the clip's length.
        smoothing_secs: see `TrailingMean`.
        raw: the format of standard input, if it has no header.
        listed: whether the result lists windows too.
    """

    hop_secs: float | None = None
    smoothing_secs: float = 0.0
    raw: PcmFormat | None = None
    listed: bool = False


class Tagging:
    """Tags recordings one after another.

    Args:
        tagger: the model.
        selection: which labels are told.
        windows: how a recording is cut.
        outputs: where results go.

    Attributes:
        startup_secs: from the start of the process to the first score, without waiting for
            standard input; None before, and where the system does not tell.

    Raises:
        ValueError: hop or smoothing are impossible.
    """

    def __init__(
        self,
        tagger: Tagger,
        selection: LabelSelection,
        windows: Windows,
        outputs: Sequence[Output] = (),
    ) -> None:
        self._tagger = tagger
        self._selection = selection
        self._windows = windows
        self._outputs = outputs
        self.startup_secs: float | None = None
        self._interrupts = Interrupts()
        self._has_scored = False
        tagger.to_samples(windows.smoothing_secs)
        self._check_hop()
        self._check_smoothing()
        highest = float(selection.thresholds.max())
        if highest > 1.0:
            _log.warning("no score reaches %g: scores lie between 0 and 1", highest)

    def tag(self, files: Sequence[str]) -> dict[str, Any]:
        """Tags every recording.

        Ctrl-C or SIGTERM ends it: what was tagged of standard input stands as it is; a file that
        was not read to its end, and those behind it, are errors.

        Args:
            files: paths; "-" is standard input.

        Returns:
            `files`, a dict for each, with `error` where one could not be tagged;
            `audio_secs`, `compute_secs`, their ratio `real_time_factor`, and `startup_secs`.
        """
        results: list[dict[str, Any]] = []
        with self._interrupts:
            for file in files:
                stopped = bool(results) and results[-1].get("interrupted")
                result = _not_reached(file) if stopped else self._tag_recording(file)
                results.append(result)
                for output in self._outputs:
                    output.recording(result)
        total = {name: _total(results, name) for name in ("audio_secs", "compute_secs")}
        return {
            "files": results,
            **total,
            "real_time_factor": _ratio(**total),
            "real_time_factor_is": "audio seconds per compute second",
            "startup_secs": self.startup_secs,
        }

    def _check_hop(self) -> None:
        hop_secs, info = self._windows.hop_secs, self._tagger.info
        if hop_secs is None:
            return
        if self._tagger.to_samples(hop_secs) < 1:
            raise ValueError(
                f"the hop is at least one sample, 1/{info.sample_rate_hz} s; received {hop_secs} s"
            )
        clip_secs = info.clip_samples / info.sample_rate_hz
        if hop_secs > clip_secs:
            _log.warning(
                "a hop of %g s is longer than the model's clip of %g s: what lies between two "
                "windows is not heard",
                hop_secs,
                clip_secs,
            )

    def _check_smoothing(self) -> None:
        info, smoothing_secs = self._tagger.info, self._windows.smoothing_secs
        hop_secs = self._windows.hop_secs or info.clip_samples / info.sample_rate_hz
        if 0 < smoothing_secs <= hop_secs:
            _log.warning(
                "smoothing over %g s joins no windows that are %g s apart: lower the hop",
                smoothing_secs,
                hop_secs,
            )

    def _tag_recording(self, file: str) -> dict[str, Any]:
        raw = self._windows.raw if file == STANDARD_INPUT else None
        reader = WaveformReader(file, self._tagger.info.sample_rate_hz, raw)
        summary = _Summary(self._windows.listed, self._tagger.info.task)
        result: dict[str, Any] = {"file": file}
        begin = time.perf_counter()
        try:
            self._score(file, reader, summary)
        except DecodeError as error:
            result["error"] = error.reason
        except KeyboardInterrupt:
            result["interrupted"] = True
            if file != STANDARD_INPUT or summary.best is None:
                result["error"] = f"interrupted after {summary.end_secs:.2f} s were tagged"
        for note in reader.notes:
            _log.warning("%s: %s", file, note)
        if summary.best is not None and "error" not in result:
            result["tags"] = _tags(self._selection, summary.best)
        compute_secs = time.perf_counter() - begin - reader.waited_secs
        return {**result, **summary.figures(compute_secs)}

    def _score(self, file: str, reader: WaveformReader, summary: _Summary) -> None:
        windows = self._tagger.score_windows(
            reader, self._windows.hop_secs, self._windows.smoothing_secs
        )
        while True:
            with self._interrupts.allowed():
                scored = next(windows, None)
            if scored is None:
                return
            self._note_first_score(reader)
            tags = _tags(self._selection, scored.scores)
            summary.add(scored, tags)
            for output in self._outputs:
                output.window(file, scored, tags)

    def _note_first_score(self, reader: WaveformReader) -> None:
        if not self._has_scored:
            self._has_scored = True
            age_secs = process_age_secs()
            if age_secs is not None:
                self.startup_secs = round(age_secs - reader.waited_secs, 3)


class _Summary:
    """What is kept of a recording's windows, however many there are."""

    def __init__(self, listed: bool, task: str) -> None:
        self.best: np.ndarray | None = None
        self._overall = OverallScores(task)
        self.end_secs = 0.0
        self._count = 0
        self._listed = listed
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT_WINDOWS)

    def add(self, scored: WindowScores, tags: list[dict[str, Any]]) -> None:
        self._count += 1
        self.best = self._overall.add(scored.scores)
        self.end_secs = scored.end_secs
        if self._listed:
            times = {"begin_secs": scored.begin_secs, "end_secs": scored.end_secs}
            self._recent.append(
                {**{name: round(secs, 6) for name, secs in times.items()}, "tags": tags}
            )

    def figures(self, compute_secs: float) -> dict[str, Any]:
        figures = {
            "audio_secs": round(self.end_secs, 6),
            "compute_secs": round(compute_secs, 6),
            "real_time_factor": _ratio(self.end_secs, compute_secs),
            "windows_scored": self._count,
        }
        return {**figures, "windows": [*self._recent]} if self._listed else figures


def process_age_secs() -> float | None:
    """How long ago this process started, the interpreter's own start included.

    From /proc, to 0.01 s; None where there is none.
    """
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        started_ticks = int(stat.rpartition(")")[2].split()[19])
        ticks_per_sec = os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / ticks_per_sec
    except (OSError, AttributeError, ValueError, IndexError):
        return None


def _not_reached(file: str) -> dict[str, Any]:
    return {"file": file, "error": "not reached: interrupted", "interrupted": True}


def _tags(selection: LabelSelection, scores: np.ndarray) -> list[dict[str, Any]]:
    return [{"label": label, "score": round(score, 6)} for label, score in selection(scores)]


def _total(results: list[dict[str, Any]], name: str) -> float:
    return round(sum(result.get(name, 0.0) for result in results), 6)


def _ratio(audio_secs: float, compute_secs: float) -> float | None:
    return round(audio_secs / compute_secs, 2) if audio_secs and compute_secs > 0 else None
