"""Where to begin in a recording: readers seek as far as they can, the rest is dropped here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from aec_ofa_tf.audio.io.errors import UnusableSoundError


class StartBeyondEndError(UnusableSoundError):
    """A recording ends before the place where reading is to begin."""


class Start:
    """The place where reading begins.

    Args:
        secs: its distance from the recording's beginning.
    """

    def __init__(self, secs: float) -> None:
        self._secs = secs
        self._passed = 0  # frames that were sought over, or dropped
        self._rate_hz = 0
        self._is_read = False

    def frames_to_seek(self, rate_hz: int) -> int:
        """Frames to seek over at the present place; 0 as soon as a block was read."""
        return 0 if self._is_read else max(0, round(self._secs * rate_hz) - self._passed)

    def sought(self, frames: int, rate_hz: int) -> None:
        """Notes that a reader has sought over frames, at most `frames_to_seek`."""
        self._passed += frames
        self._rate_hz = rate_hz

    def drop(self, block: np.ndarray, rate_hz: int) -> np.ndarray:
        """The part of the next block that does not lie before the start."""
        self._is_read, self._rate_hz = True, rate_hz
        before = max(0, round(self._secs * rate_hz) - self._passed)
        self._passed += min(len(block), before)
        return block[before:]

    def trimmed(self, blocks: Iterable[tuple[np.ndarray, int]]) -> Iterator[np.ndarray]:
        """Yields blocks from the start on, all of them for a start of 0.

        Args:
            blocks: blocks [frames, channels], each with its rate in Hz.

        Raises:
            StartBeyondEndError: the recording has frames, but none after the start.
        """
        empty = True
        for block, rate_hz in blocks:
            rest = self.drop(block, rate_hz)
            if len(rest):
                empty = False
                yield rest
        if empty and self._passed:
            ends_secs = self._passed / self._rate_hz
            raise StartBeyondEndError(f"ends after {ends_secs:.2f} s, before {self._secs:g} s")
