"""What each benchmark suite measures. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig
from aec_ofa_tf.models.cnn10 import Cnn10Network, Cnn10Space
from aec_ofa_tf.models.space import SearchSpace

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
        front_end: of the records, which hold noise; its mel bins are the network's.

    Raises:
        ValueError: a precision is unknown, or float32 is not among them.
    """

    space: Cnn10Space
    network: Cnn10Network
    batch_size: int
    subnets_per_step: int
    draws: int
    repetitions: int
    loop_steps: int
    precisions: tuple[str, ...]
    bfloat16_draws: int | None
    front_end: FrontEndConfig = PANNS

    def __post_init__(self) -> None:
        if FLOAT32 not in self.precisions or not set(self.precisions) <= set(PRECISIONS):
            raise ValueError(
                f"--precisions are {FLOAT32}, to which all is compared, and {BFLOAT16}; "
                f"received {','.join(self.precisions)}"
            )


@dataclass(frozen=True)
class SearchSettings:
    """Sizes and counts of the suite `search`.

    Attributes:
        space: the subnets.
        network: what they have in common.
        batch_size: clips of a batch.
        clips: for calibration, and as many to evaluate on.
        random_draws: subnets, drawn with replacement, that the tree is compared with.
        walks: how often the tree is walked; the median counts.
    """

    space: Cnn10Space
    network: Cnn10Network
    batch_size: int
    clips: int
    random_draws: int
    walks: int


@dataclass(frozen=True)
class TFLiteSettings:
    """What the suite `tflite` measures.

    Attributes:
        models: files that `pipelines.convert` wrote; none for files of random weights.
        space: those are of its largest and smallest subnet.
        network: what they have in common.
        threads: of the interpreter.
        warm_up: invocations that do not count.
        repetitions: measurements of every file, of which median and 90th percentile count.
        front_end: of files of random weights; its mel bins are the network's.

    Raises:
        ValueError: a file is not there, or listed twice.
    """

    models: tuple[Path, ...]
    space: SearchSpace
    network: Cnn10Network
    threads: int
    warm_up: int
    repetitions: int
    front_end: FrontEndConfig = PANNS

    def __post_init__(self) -> None:
        for path in self.models:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist"
                raise ValueError(f"--model={path} {what}: give a .tflite file")
        if len(set(self.models)) < len(self.models):
            raise ValueError("--model names a file twice: name each once")
