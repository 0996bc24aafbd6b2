"""What all MobileNets of one supernet have in common: the list of units, and the head."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from aec_ofa_tf.models.family import register_family
from aec_ofa_tf.models.mobilenet.architecture import architecture, check_pool
from aec_ofa_tf.models.mobilenet.head import ClassifierHead, PooledDenseUnit
from aec_ofa_tf.models.mobilenet.unit import ConvUnit, InvertedResidual
from aec_ofa_tf.models.network import NO_POOL, NetworkConfig
from aec_ofa_tf.models.unit import ElasticUnit

if TYPE_CHECKING:
    import keras

INPUT_SCALE = math.log(10) / 10 / 5
"""EfficientAT's input is (ln(power) + 4.5) / 5; ours is in dB, 10 log10(power)."""
INPUT_OFFSET = 4.5 / 5


@register_family("mobilenet")
@dataclass(frozen=True)
class MobilenetNetwork(NetworkConfig):
    """The static parts of a MobileNetV3-Large for sound (EfficientAT, Schmid et al. 2023).

    log-mel, pooled or not, scaled -> 3x3 convolution with stride 2 -> 15 inverted residual blocks
    -> 1x1 convolution -> mean over frames and mel bins -> dense, hard-swish -> classifier.

    Attributes:
        width_mult: full size, as a multiple of MobileNetV3-Large's widths.
        embedding_dropout: dropout rate before the classifier.
        input_pool: frames and mel bins that are averaged into one before the first convolution.

    Raises:
        ValueError: a size is not positive, the rate is outside [0, 1), or the pool is larger than a
            clip.
    """

    width_mult: float = 0.4
    embedding_dropout: float = 0.2
    input_pool: tuple[int, int] = field(default=NO_POOL, metadata={"is_later": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width_mult > 0:
            raise ValueError(f"width_mult must be positive, received {self.width_mult}")
        if not 0 <= self.embedding_dropout < 1:
            raise ValueError(
                f"embedding_dropout must lie in [0, 1), received {self.embedding_dropout}"
            )
        check_pool(self.input_pool)
        if not all(self.image):
            raise ValueError(
                f"input_pool={self.input_pool} leaves nothing of {self.frames} frames x "
                f"{self.mel_bins} mel bins: pool fewer"
            )

    @property
    def input_scaling(self) -> tuple[float, float]:
        """From dB to the values that EfficientAT's networks are trained on."""
        return INPUT_SCALE, INPUT_OFFSET

    def sort_channels(self, model: keras.Model) -> None:
        """By the root mean square of a channel and the weights that read it (`importance`)."""
        from aec_ofa_tf.models.mobilenet.importance import sort_channels

        sort_channels(model, architecture(self.width_mult))

    @lru_cache  # noqa: B019 - a frozen value of a few numbers
    def units(self, count: int) -> tuple[ElasticUnit, ...]:
        """First convolution, blocks, last convolution, dense layer."""
        blocks = [block for stage in architecture(self.width_mult).stages for block in stage]
        if count != len(blocks) + 3:
            raise ValueError(f"a MobileNet has {len(blocks) + 3} units, received {count}")
        return (
            ConvUnit("stem", kernel=3, stride=2),
            *(
                InvertedResidual(
                    f"block{number}",
                    stride=block.stride,
                    hard_swish=block.hard_swish,
                    squeezes=block.squeezes,
                    expands=block.expands,
                    is_residual=block.is_residual,
                )
                for number, block in enumerate(blocks, start=1)
            ),
            ConvUnit("last"),
            PooledDenseUnit("hidden"),
        )

    @lru_cache  # noqa: B019
    def head(self) -> ClassifierHead:
        """Dropout and the classifier."""
        return ClassifierHead(self.classes, self.embedding_dropout)
