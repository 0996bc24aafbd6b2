"""What all subnets of one supernet have in common."""

from __future__ import annotations

from dataclasses import dataclass

from aec_ofa_tf.tasks import get_task

MEL_BINS = 64
BATCH_NORM_EPSILON = 1e-5
"""PANNs' value; Keras' own default is 1e-3."""


@dataclass(frozen=True)
class NetworkConfig:
    """The static parts of a CNN10 (PANNs; paper figure 2).

    Attributes:
        classes: number of sigmoid outputs.
        frames: time frames of the input log-mel.
        embedding_units: width of the fully-connected layer; PANNs: that of the last block.
        mel_bins: frequency bins of the input.
        pool_last: whether a 2x2 average pool follows the last block too (PANNs' CNN10, our
            teacher) or only stands between blocks (the paper's supernet).
        block_dropout: dropout rate after each block.
        embedding_dropout: dropout rate before the fully-connected layer.
        task: name of what the outputs mean (`tasks.TASKS`).

    Raises:
        ValueError: a size is not positive, a rate is outside [0, 1), or the clip is too short.
    """

    classes: int
    frames: int
    embedding_units: int = 512
    mel_bins: int = MEL_BINS
    pool_last: bool = False
    block_dropout: float = 0.2
    embedding_dropout: float = 0.5
    task: str = "multi_label"

    def __post_init__(self) -> None:
        get_task(self.task)
        for name in ("classes", "frames", "embedding_units", "mel_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        for name in ("block_dropout", "embedding_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), received {getattr(self, name)}")
        if min(self.frames, self.mel_bins) < 16:
            raise ValueError(
                "four blocks halve the input up to four times: at least 16 frames and 16 mel bins "
                f"are needed, received {self.frames} x {self.mel_bins}"
            )

    def block_shapes(self, blocks: int) -> list[tuple[int, int]]:
        """(frames, mel bins) at which each of `blocks` blocks computes."""
        return [(self.frames >> block, self.mel_bins >> block) for block in range(blocks)]

    def pooled_shapes(self, blocks: int) -> list[tuple[int, int]]:
        """(frames, mel bins) after each of `blocks` blocks and its pool, if it has one."""
        shapes = self.block_shapes(blocks + 1)[1:]
        return shapes if self.pool_last else [*shapes[:-1], self.block_shapes(blocks)[-1]]
