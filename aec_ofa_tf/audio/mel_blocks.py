"""Mel filters as a few small matrices instead of one that is nearly all zeros. No TensorFlow here.

A filter reaches few FFT bins, and neighbouring filters reach neighbouring bins. So the product
power @ filters is a row of products of contiguous bins with dense blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig, mel_filters

BLOCK_BYTES = 580
"""What a block costs a TFLite file besides its values: two operators, their tensors and names."""

_VALUE_BYTES = 4


@dataclass(frozen=True, eq=False)
class MelBlock:
    """Neighbouring mel filters on the FFT bins that any of them reaches.

    Attributes:
        first_bin: the first of these bins.
        filters: float32 [bins, filters], a part of `mel_filters`.
    """

    first_bin: int
    filters: np.ndarray

    @property
    def end_bin(self) -> int:
        """The bin after the last one."""
        return self.first_bin + len(self.filters)


@lru_cache(maxsize=16)
def mel_blocks(config: FrontEndConfig) -> tuple[MelBlock, ...]:
    """Cuts the mel filters into the blocks that take the fewest bytes.

    Returns:
        Blocks in the order of the filters; each filter is in one of them.
    """
    filters = mel_filters(config)
    reached = [np.flatnonzero(column) for column in filters.T]
    bounds = [(int(bins[0]), int(bins[-1]) + 1) for bins in reached]
    blocks = []
    for start, end in _cheapest_groups(bounds):
        first = min(low for low, _ in bounds[start:end])
        last = max(high for _, high in bounds[start:end])
        blocks.append(MelBlock(first, filters[first:last, start:end]))
    return tuple(blocks)


def _cheapest_groups(bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The partition of filters into groups of neighbours that takes the fewest bytes.

    Args:
        bounds: first bin and end of the bins of every filter.

    Returns:
        First filter and end of every group.
    """
    best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    for end in range(1, len(bounds) + 1):
        options = []
        low, high = bounds[end - 1]
        for start in range(end - 1, -1, -1):
            low, high = min(low, bounds[start][0]), max(high, bounds[start][1])
            own = BLOCK_BYTES + _VALUE_BYTES * (high - low) * (end - start)
            options.append((best[start][0] + own, start))
        cost, start = min(options)
        best.append((cost, [*best[start][1], (start, end)]))
    return best[-1][1]
