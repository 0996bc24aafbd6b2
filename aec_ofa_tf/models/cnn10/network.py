"""The parts that all CNN10s of one supernet share: the list of units, and the head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from aec_ofa_tf.models.cnn10.space import UNITS_PER_BLOCK
from aec_ofa_tf.models.cnn10.unit import ConvUnit, PannsHead
from aec_ofa_tf.models.family import register_family
from aec_ofa_tf.models.network import NetworkConfig

_LEAST_SIDE = 16


@register_family("cnn10")
@dataclass(frozen=True)
class Cnn10Network(NetworkConfig):
    """The static parts of a CNN10 (PANNs; paper figure 2).

    log-mel -> batch norm over mel bins -> blocks of (3x3 convolution, batch norm, ReLU) with
    average pools -> mean over mel, max + mean over time -> dense, ReLU -> classifier.

    Attributes:
        embedding_units: width of the fully-connected layer; in PANNs the last block's width.
        pool_last: whether a 2x2 average pool also follows the last block (PANNs' CNN10 and the
            teacher); the paper's supernet has pools only between blocks.
        block_dropout: dropout rate after each block.
        embedding_dropout: dropout rate before the fully-connected layer.

    Raises:
        ValueError: a size is not positive, a rate is outside [0, 1), or the clip is too short.
    """

    embedding_units: int = 512
    pool_last: bool = False
    block_dropout: float = 0.2
    embedding_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding_units < 1:
            raise ValueError(f"embedding_units must be positive, received {self.embedding_units}")
        for name in ("block_dropout", "embedding_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), received {getattr(self, name)}")
        if min(self.frames, self.mel_bins) < _LEAST_SIDE:
            raise ValueError(
                "four blocks halve the input up to four times: at least 16 frames and 16 mel bins "
                f"are needed, received {self.frames} x {self.mel_bins}"
            )

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of every network, and the width of the fully-connected layer."""
        return {**super().sizes, "embedding_units": self.embedding_units}

    @lru_cache  # noqa: B019 - the cached configurations are small and frozen
    def units(self, count: int) -> tuple[ConvUnit, ...]:
        """Two convolutions per block; a subnet may lack the second."""
        blocks, odd = divmod(count, UNITS_PER_BLOCK)
        if odd:
            raise ValueError(f"a CNN10 has two units per block, received {count} units")
        return tuple(
            unit
            for block in range(1, blocks + 1)
            for unit in (
                ConvUnit(f"block{block}_conv1", block=block),
                ConvUnit(
                    f"block{block}_conv2",
                    self.block_dropout,
                    block,
                    layer_number=2,
                    pooled=block < blocks or self.pool_last,
                ),
            )
        )

    @lru_cache  # noqa: B019
    def head(self) -> PannsHead:
        """PANNs' pooling, fully-connected layer and classifier."""
        return PannsHead(self.classes, self.embedding_units, self.embedding_dropout)
