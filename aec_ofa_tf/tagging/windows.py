"""Cuts a waveform into windows as it arrives, and combines the scores of windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A part of a waveform.

    Attributes:
        begin: index of its first sample.
        samples: float32 [samples]; a clip, or the whole waveform if it is shorter than a clip.
    """

    begin: int
    samples: np.ndarray

    @property
    def end(self) -> int:
        """Index after its last sample."""
        return self.begin + len(self.samples)


def cut_windows(
    blocks: Iterable[np.ndarray], clip_samples: int, hop_samples: int
) -> Iterator[Window]:
    """Cuts consecutive blocks of a waveform into windows, each as soon as it is complete.

    Windows begin at multiples of the hop. If the last of them does not end at the end of the
    waveform, one more window is added that does; it overlaps more than the others. A waveform
    shorter than a clip is one window. At most one clip and one block are kept in memory.

    Args:
        blocks: float32 [samples] each, of any lengths.
        clip_samples: length of a window.
        hop_samples: samples from the start of a window to the start of the next; if it is longer
            than a clip, the samples between two windows are ignored.

    Raises:
        ValueError: clip or hop is shorter than a sample.
    """
    if clip_samples < 1 or hop_samples < 1:
        raise ValueError(
            f"clip and hop must be at least one sample, received {clip_samples} and {hop_samples}"
        )
    pieces: deque[np.ndarray] = deque()  # the waveform from `first` to `end`
    first = end = start = 0
    for block in blocks:
        pieces.append(block)
        end += len(block)
        if end >= start + clip_samples:
            held = np.concatenate(pieces)
            while start + clip_samples <= end:
                yield Window(start, held[start - first : start - first + clip_samples])
                start += hop_samples
            pieces = deque([held])
        # The last clip is kept for the window at the end of the waveform.
        first += _drop(pieces, min(start, end - clip_samples) - first)
    held = np.concatenate([np.zeros(0, np.float32), *pieces])
    if 0 < end < clip_samples:
        yield Window(0, held)
    elif end and start - hop_samples + clip_samples < end:
        yield Window(end - clip_samples, held[-clip_samples:])


def _drop(pieces: deque[np.ndarray], samples: int) -> int:
    """Drops samples from the front of `pieces`, none if their number is negative.

    Returns:
        The number of dropped samples.
    """
    left = samples
    while left > 0:
        piece = pieces.popleft()
        if len(piece) > left:
            pieces.appendleft(piece[left:])
        left -= min(left, len(piece))
    return max(0, samples)


class TrailingMean:
    """Smooths scores: the mean over a window and the windows that began a short time before it.

    Only earlier windows are used, so that the scores of a live stream are not delayed. The first
    windows are means of fewer scores. The last window of a waveform, which may begin less than a
    hop after the previous one, has the same weight as the others.

    Args:
        samples: the mean includes windows that begin less than this number of samples before; 0
            for no smoothing.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._recent: deque[tuple[int, np.ndarray]] = deque()

    def add(self, begin: int, scores: np.ndarray) -> np.ndarray:
        """Adds the next window's scores and returns the smoothed ones.

        Args:
            begin: index of the window's first sample, later than that of the window before.
            scores: float32 [classes].

        Returns:
            float32 [classes].
        """
        self._recent.append((begin, scores))
        while len(self._recent) > 1 and self._recent[0][0] <= begin - self._samples:
            self._recent.popleft()
        return np.mean([scores for _, scores in self._recent], axis=0, dtype=np.float32)


def overall_scores(rows: np.ndarray, windows: int, task: str) -> np.ndarray:
    """The scores of recordings of equally many windows, by the rule of `OverallScores`.

    Args:
        rows: float32 [recordings * windows, classes], windows of a recording one after another.
        windows: windows of a recording.
        task: name of the model's task.

    Returns:
        float32 [recordings, classes].
    """
    overall = OverallScores(task)
    for number in range(windows - 1):
        overall.add(rows[number::windows])
    return rows if windows == 1 else overall.add(rows[windows - 1 :: windows])


class OverallScores:
    """Computes the scores of a recording from those of its windows.

    For multi_label the score of a class is its maximum over the windows: a sound that occurs once
    is a label of the recording. For single_label it is the mean, so that the scores sum to 1.

    Args:
        task: name of the model's task.
    """

    def __init__(self, task: str) -> None:
        self._is_mean = task == "single_label"
        self._total: np.ndarray | None = None
        self._count = 0

    def add(self, scores: np.ndarray) -> np.ndarray:
        """Adds the next window's scores and returns those of the recording up to its end.

        Args:
            scores: float32 [classes].

        Returns:
            float32 [classes].
        """
        self._count += 1
        if self._total is None:
            self._total = scores.astype(np.float64)
        elif self._is_mean:
            self._total = self._total + scores
        else:
            self._total = np.maximum(self._total, scores)
        overall = self._total / self._count if self._is_mean else self._total
        return overall.astype(np.float32)
