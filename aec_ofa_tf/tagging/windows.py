"""Cutting a waveform that never stands in memory whole into windows, and smoothing their scores."""

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
        samples: float32 [samples]; a clip's length, or a shorter waveform's.
    """

    begin: int
    samples: np.ndarray

    @property
    def end(self) -> int:
        """Index behind its last sample."""
        return self.begin + len(self.samples)


def cut_windows(
    blocks: Iterable[np.ndarray], clip_samples: int, hop_samples: int
) -> Iterator[Window]:
    """Cuts consecutive blocks of a waveform into windows, each as soon as it is complete.

    Windows begin at multiples of the hop. If the last one would not end with the waveform, one
    more does, which overlaps more than the others. A waveform shorter than a clip is one window.
    No more than a clip and a block are held.

    Args:
        blocks: float32 [samples] each, of any lengths.
        clip_samples: length of a window.
        hop_samples: from a window's begin to the next one's; beyond a clip, what lies between two
            windows is in none.

    Raises:
        ValueError: clip or hop is shorter than a sample.
    """
    if clip_samples < 1 or hop_samples < 1:
        raise ValueError(
            f"clip and hop are at least one sample, received {clip_samples} and {hop_samples}"
        )
    held, first, start = np.zeros(0, np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block])
        end = first + len(held)
        while start + clip_samples <= end:
            yield Window(start, held[start - first : start - first + clip_samples])
            start += hop_samples
        # The last clip stays for the window that ends with the waveform.
        unneeded = max(0, min(start, end - clip_samples) - first)
        held, first = held[unneeded:], first + unneeded
    end = first + len(held)
    if 0 < end < clip_samples:
        yield Window(0, held)
    elif end and start - hop_samples + clip_samples < end:
        yield Window(end - clip_samples, held[-clip_samples:])


class TrailingMean:
    """Smooths scores: the mean over a window and those that begin less than a time before it.

    It looks back only, so that a live stream's scores need not wait. The first windows have fewer
    before them and are means of those. The last window of a waveform, which may begin closer to
    its neighbour than a hop, counts as any other.

    Args:
        samples: that time; 0 leaves scores as they are.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._recent: deque[tuple[int, np.ndarray]] = deque()

    def add(self, begin: int, scores: np.ndarray) -> np.ndarray:
        """Takes the next window's scores and gives the smoothed ones.

        Args:
            begin: where the window begins, later than the one before.
            scores: float32 [classes].

        Returns:
            float32 [classes].
        """
        self._recent.append((begin, scores))
        while len(self._recent) > 1 and self._recent[0][0] <= begin - self._samples:
            self._recent.popleft()
        return np.mean([scores for _, scores in self._recent], axis=0, dtype=np.float32)
