"""What a benchmark of the train step measures. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass

from aec_ofa_tf.spec import NetworkConfig, SearchSpace

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)


@dataclass(frozen=True)
class TrainStepSettings:
    """Sizes and counts of the suite `train_step`.

    Attributes:
        space: the subnets.
        network: what they have in common.
        batch_size: clips of a step.
        subnets_per_step: K.
        draws: number of draws of K subnets; their seeds are 0, 1, ...
        repetitions: measurements of each contestant per draw, of which the median counts.
        loop_steps: steps of the loop, whose overhead is measured, and of the bare step.
        precisions: Keras dtype policies to measure.
        bfloat16_draws: how many of the draws are measured in bfloat16 too; None for all of them
            where the CPU computes in bfloat16, and one, measured once, where it is emulated.

    Raises:
        ValueError: a precision is unknown, or float32 is not among them.
    """

    space: SearchSpace
    network: NetworkConfig
    batch_size: int
    subnets_per_step: int
    draws: int
    repetitions: int
    loop_steps: int
    precisions: tuple[str, ...]
    bfloat16_draws: int | None

    def __post_init__(self) -> None:
        if FLOAT32 not in self.precisions or not set(self.precisions) <= set(PRECISIONS):
            raise ValueError(
                f"--precisions are {FLOAT32}, to which all is compared, and {BFLOAT16}; "
                f"received {','.join(self.precisions)}"
            )
