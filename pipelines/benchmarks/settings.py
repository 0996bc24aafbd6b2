"""The settings of each benchmark suite. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)


@dataclass(frozen=True)
class TrainStepSettings:
    """Sizes and counts of the suite `train_step`.

    Attributes:
        space: the search space.
        network: the static parts of the network.
        batch_size: clips per step.
        subnets_per_step: K, the number of subnets per step.
        draws: number of draws of K subnets; their seeds are 0, 1, ...
        repetitions: measurements of each way of training per draw; their median is reported.
        loop_steps: number of steps in the training loop, and as many without it.
        precisions: Keras dtype policies to measure.
        bfloat16_draws: number of draws that are measured in bfloat16 too. None: all of them if the
            CPU computes in bfloat16; one, measured once, if the CPU emulates it.
        front_end: front end of the records, which contain noise; its mel bins are the network's.

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
    front_end: FrontEndConfig = PANNS

    def __post_init__(self) -> None:
        if FLOAT32 not in self.precisions or not set(self.precisions) <= set(PRECISIONS):
            raise ValueError(
                f"--precisions are {FLOAT32}, which is required, and {BFLOAT16}; "
                f"received {','.join(self.precisions)}"
            )


@dataclass(frozen=True)
class PrepareSettings:
    """Counts of the suite `prepare`.

    Attributes:
        clips: number of WAV files.
        clip_secs: length of each.
        repetitions: runs of each program; the fastest counts.
    """

    clips: int
    clip_secs: float
    repetitions: int


@dataclass(frozen=True)
class SearchSettings:
    """Sizes and counts of the suite `search`.

    Attributes:
        space: the search space.
        network: the static parts of the network.
        batch_size: clips per batch.
        clips: number of clips for calibration, and as many for evaluation.
        random_draws: number of subnets, drawn with replacement, to compare the tree with.
        walks: number of walks of the tree; their median is reported.
    """

    space: SearchSpace
    network: NetworkConfig
    batch_size: int
    clips: int
    random_draws: int
    walks: int


@dataclass(frozen=True)
class NpuSettings:
    """Sizes and counts of the suite `npu`.

    Attributes:
        space: the search space.
        network: the static parts of the network.
        accelerators: NPUs by Vela's names.
        subnets: number of random subnets that are compiled as a whole.
    """

    space: SearchSpace
    network: NetworkConfig
    accelerators: tuple[str, ...]
    subnets: int


@dataclass(frozen=True)
class TFLiteSettings:
    """Files, sizes and counts of the suite `tflite`.

    Attributes:
        models: files that `pipelines.convert` wrote; empty to make files with random weights.
        space: the search space whose largest and smallest subnet get random weights.
        network: the static parts of the network.
        threads: threads of the interpreter.
        warm_up: invocations before the measured ones.
        repetitions: measurements of every file; median and 90th percentile are reported.
        front_end: front end of files with random weights; its mel bins are the network's.

    Raises:
        ValueError: a file does not exist, or is listed twice.
    """

    models: tuple[Path, ...]
    space: SearchSpace
    network: NetworkConfig
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
            raise ValueError("--model contains a file twice: give each file once")
