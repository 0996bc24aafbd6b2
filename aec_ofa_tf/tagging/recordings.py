"""Tags recordings window by window and passes results on as they arrive. No TensorFlow here."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aec_ofa_tf.audio.io.pcm_stream import PcmFormat
from aec_ofa_tf.audio.io.sound_reader import WaveformReader
from aec_ofa_tf.audio.io.sound_source import STANDARD_INPUT, DecodeError
from aec_ofa_tf.tagging.results import Tag, TaggingResult, TagResult, WindowTags
from aec_ofa_tf.tagging.selection import LabelSelection
from aec_ofa_tf.tagging.tagger import Tagger, WindowScores
from aec_ofa_tf.tagging.windows import OverallScores

RECENT_WINDOWS = 10_000
"""Maximum number of windows in the result of a recording; the last ones are kept."""

_BEGAN_SECS = time.monotonic() - time.process_time()

_log = logging.getLogger(__name__)


class Output(Protocol):
    """A receiver of results as they arrive."""

    def window(self, file: str, scored: WindowScores, tags: Sequence[Tag]) -> None:
        """Receives a window of a recording with its labels."""

    def recording(self, result: TagResult) -> None:
        """Receives the result of a whole recording, after its windows."""


@dataclass(frozen=True)
class WindowConfig:
    """How a recording is cut into windows.

    Attributes:
        hop_secs: time from the start of a window to the start of the next; None for the length of
            the model's clip.
        smoothing_secs: the scores of a window are the mean over it and the windows that begin less
            than this time before it.
        raw: format of standard input, if it has no header.
        listed: whether the result contains the windows too.
        float_scale: full scale of floating-point recordings (`sound_reader.WaveformReader`).
    """

    hop_secs: float | None = None
    smoothing_secs: float = 0.0
    raw: PcmFormat | None = None
    listed: bool = False
    float_scale: str = "as_is"


class RecordingTagger:
    """Tags recordings one after another.

    Args:
        tagger: the model.
        selection: selects the labels to report.
        windows: how a recording is cut.
        outputs: receivers of the results.
        waiting: returns a context manager that is active while the next window is awaited. A
            program can allow signals only there. A KeyboardInterrupt in it ends the recording.

    Attributes:
        startup_secs: as in `TaggingResult`; None before the first score.

    Raises:
        ValueError: hop or smoothing is invalid.
    """

    def __init__(
        self,
        tagger: Tagger,
        selection: LabelSelection,
        windows: WindowConfig = WindowConfig(),
        outputs: Sequence[Output] = (),
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._tagger = tagger
        self._selection = selection
        self._windows = windows
        self._outputs = outputs
        self._waiting = waiting
        self.startup_secs: float | None = None
        self._has_scored = False
        tagger.to_samples(windows.smoothing_secs)
        self._check_hop()
        self._check_smoothing()
        highest = float(selection.thresholds.max())
        if highest > 1.0:
            _log.warning("no score can reach %g: scores lie between 0 and 1", highest)

    def tag(self, files: Sequence[str]) -> TaggingResult:
        """Tags every recording; results of recordings that cannot be tagged have an `error`.

        After an interrupt, standard input has the result up to then. A file that was not read to
        its end, and the files after it, have an error.

        Args:
            files: paths; "-" is standard input.
        """
        results: list[TagResult] = []
        for file in files:
            stopped = bool(results) and results[-1].interrupted
            result = _not_reached(file) if stopped else self.tag_recording(file)
            results.append(result)
            for output in self._outputs:
                output.recording(result)
        return TaggingResult(tuple(results), self.startup_secs)

    def tag_recording(self, file: str) -> TagResult:
        """Tags one recording. Only `tag` passes the result of the recording on to the outputs."""
        raw = self._windows.raw if file == STANDARD_INPUT else None
        reader = WaveformReader(
            file, self._tagger.info.sample_rate_hz, raw, float_scale=self._windows.float_scale
        )
        summary = _Summary(self._windows.listed, self._tagger.info.task)
        error, interrupted = None, False
        begin = time.perf_counter()
        try:
            self._score(file, reader, summary)
        except DecodeError as reason:
            error = reason.reason
        except KeyboardInterrupt:
            interrupted = True
            if file != STANDARD_INPUT or summary.overall is None:
                error = f"interrupted after {summary.end_secs:.2f} s were tagged"
        for note in reader.notes:
            _log.warning("%s: %s", file, note)
        has_tags = summary.overall is not None and error is None
        return TagResult(
            file=file,
            tags=_tags(self._selection, summary.overall) if has_tags else None,
            audio_secs=round(summary.end_secs, 6),
            compute_secs=round(time.perf_counter() - begin - reader.waited_secs, 6),
            windows_scored=summary.count,
            windows=summary.windows,
            error=error,
            interrupted=interrupted,
        )

    def _score(self, file: str, reader: WaveformReader, summary: _Summary) -> None:
        windows = self._tagger.score_windows(
            reader, self._windows.hop_secs, self._windows.smoothing_secs
        )
        while True:
            with self._waiting():
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
            self.startup_secs = round(process_age_secs() - reader.waited_secs, 3)

    def _check_hop(self) -> None:
        hop_secs, info = self._windows.hop_secs, self._tagger.info
        if hop_secs is None:
            return
        if self._tagger.to_samples(hop_secs) < 1:
            raise ValueError(
                f"the hop must be at least one sample, 1/{info.sample_rate_hz} s; received "
                f"{hop_secs} s"
            )
        clip_secs = info.clip_samples / info.sample_rate_hz
        if hop_secs > clip_secs:
            _log.warning(
                "a hop of %g s is longer than the model's clip of %g s: the audio between two "
                "windows is not tagged",
                *(hop_secs, clip_secs),
            )

    def _check_smoothing(self) -> None:
        info, smoothing_secs = self._tagger.info, self._windows.smoothing_secs
        hop_secs = self._windows.hop_secs or info.clip_samples / info.sample_rate_hz
        if 0 < smoothing_secs <= hop_secs:
            _log.warning(
                "smoothing over %g s has no effect on windows that are %g s apart: lower the hop",
                *(smoothing_secs, hop_secs),
            )


class _Summary:
    """The results of a recording's windows, in bounded memory."""

    def __init__(self, listed: bool, task: str) -> None:
        self._overall = OverallScores(task)
        self.overall: np.ndarray | None = None
        self.end_secs = 0.0
        self.count = 0
        self._listed = listed
        self._recent: deque[WindowTags] = deque(maxlen=RECENT_WINDOWS)

    @property
    def windows(self) -> tuple[WindowTags, ...] | None:
        return tuple(self._recent) if self._listed else None

    def add(self, scored: WindowScores, tags: tuple[Tag, ...]) -> None:
        self.count += 1
        self.overall = self._overall.add(scored.scores)
        self.end_secs = scored.end_secs
        if self._listed:
            times = round(scored.begin_secs, 6), round(scored.end_secs, 6)
            self._recent.append(WindowTags(*times, tags))


def tag_file(
    tagger: Tagger,
    path: str | os.PathLike[str],
    top_k: int = 3,
    threshold: float = 0.0,
    windows: WindowConfig = WindowConfig(listed=True),
) -> TagResult:
    """Tags one recording of any length, in any format that soundfile reads.

    Args:
        tagger: the model.
        path: the recording.
        top_k: maximum number of labels to report.
        threshold: lowest score of a label to report.
        windows: how the recording is cut.

    Raises:
        DecodeError: the recording cannot be read.
        ValueError: an argument is invalid.
    """
    selection = LabelSelection(tagger.info.labels, top_k, threshold)
    result = RecordingTagger(tagger, selection, windows).tag_recording(os.fspath(path))
    if result.error is not None:
        raise DecodeError(os.fspath(path), result.error)
    return result


def process_age_secs() -> float:
    """Seconds since the start of Python in this process.

    The system reports the start of a process only. A shell or a container may have waited in it
    before Python took its place, so Python's own start counts by the CPU time that it took.
    """
    return time.monotonic() - _BEGAN_SECS


def _not_reached(file: str) -> TagResult:
    return TagResult(file, None, error="not reached: interrupted", interrupted=True)


def _tags(selection: LabelSelection, scores: np.ndarray | None) -> tuple[Tag, ...]:
    found = () if scores is None else selection(scores)
    return tuple(Tag(label, round(score, 6)) for label, score in found)
