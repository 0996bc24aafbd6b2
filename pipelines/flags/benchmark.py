"""Flags of `benchmark`, and the settings of every suite built from them. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.tasks import TASKS
from pipelines.benchmarks.settings import (
    PRECISIONS,
    NpuSettings,
    PrepareSettings,
    SearchSettings,
    TFLiteSettings,
    TrainStepSettings,
)
from pipelines.flags import front_end as front_end_flags

FLAGS = flags.FLAGS
TRAIN_STEP, SEARCH, TFLITE, PREPARE, INPUT, NPU = SUITES = (
    "train_step",
    "search",
    "tflite",
    "prepare",
    "input",
    "npu",
)
_FRAMES, _TEN_SECS_FRAMES = 250, 1000
_REPETITIONS, _INVOCATIONS = 3, 40
_CLIPS, _FILES = 64, 1000
_OF_SOME_SUITES = {
    "batch_size": (TRAIN_STEP, SEARCH, INPUT),
    "subnets_per_step": (TRAIN_STEP, INPUT),
    "draws": (TRAIN_STEP, INPUT),
    "repetitions": (TRAIN_STEP, TFLITE, PREPARE, INPUT),
    "loop_steps": (TRAIN_STEP,),
    "precisions": (TRAIN_STEP,),
    "bfloat16_draws": (TRAIN_STEP,),
    "clips": (SEARCH, PREPARE),
    "clip_secs": (PREPARE,),
    "random_draws": (SEARCH,),
    "walks": (SEARCH,),
    "model": (TFLITE,),
    "threads": (TFLITE,),
    "warm_up": (TFLITE,),
    "target": (NPU,),
    "whole_subnets": (NPU,),
}

flags.DEFINE_enum("suite", TRAIN_STEP, SUITES, "Suite of measurements to run.")
flags.DEFINE_string("space", "[2,2,X]", "Search space, as for train.")
flags.DEFINE_integer(
    "base_channels", None, "CNN10s: channels of the first block; each next doubles.", 1
)
flags.DEFINE_integer("classes", 527, "Classes of the classifier.", 1)
flags.DEFINE_integer(
    "frames",
    None,
    f"Log-mel frames of a clip, 10 ms each with panns_32k. Default: {_FRAMES}; suite tflite: "
    f"{_TEN_SECS_FRAMES}, a clip of 10 s.",
    16,
)
front_end_flags.define_front_end_flags()
flags.adopt_module_key_flags(front_end_flags)
flags.DEFINE_integer("batch_size", 8, "Clips per batch.", 1)
flags.DEFINE_integer("subnets_per_step", 4, "K, the number of subnets per training step.", 1)
flags.DEFINE_integer("draws", 12, "Number of draws of K subnets, with the seeds 0, 1, ...", 1)
flags.DEFINE_integer(
    "repetitions",
    None,
    f"Measurements in alternating order: per draw (default {_REPETITIONS}); suite tflite: per file "
    f"(default {_INVOCATIONS}); suites prepare and input: of everything (default {_REPETITIONS}).",
    1,
)
flags.DEFINE_integer(
    "loop_steps", 100, "Steps in the training loop, in blocks of 20, and as many without it.", 1
)
flags.DEFINE_integer(
    "clips",
    None,
    f"Suite search: number of clips for calibration, and as many for evaluation (default "
    f"{_CLIPS}). Suite prepare: number of WAV files (default {_FILES}).",
    1,
)
flags.DEFINE_float("clip_secs", 4.0, "Suite prepare: length of a WAV file.", 0.1)
flags.DEFINE_integer(
    "random_draws", 100, "Suite search: random subnets, evaluated alone, to compare with.", 1
)
flags.DEFINE_integer("walks", 3, "Suite search: number of walks of the tree.", 1)
flags.DEFINE_list(
    "precisions", list(PRECISIONS), "Precisions to measure: float32, or float32,mixed_bfloat16."
)
flags.DEFINE_integer(
    "bfloat16_draws",
    None,
    "Draws in bfloat16. Default: all --draws if the CPU computes in bfloat16; one draw, measured "
    "once, if the CPU emulates it and a step takes a minute.",
    1,
)
flags.DEFINE_multi_string(
    "model",
    [],
    "Suite tflite: a file that pipelines.convert wrote; repeatable. Default: the largest and the "
    "smallest subnet of the space with random weights, in every input and quantisation.",
)
flags.DEFINE_integer("threads", 1, "Suite tflite: threads of the interpreter.", 1)
flags.DEFINE_integer("warm_up", 3, "Suite tflite: invocations before the measured ones.", 0)
flags.DEFINE_list(
    "target",
    ["ethos-u55-32", "ethos-u55-128", "ethos-u65-256", "ethos-u85-256"],
    "Suite npu: NPUs by Vela's names.",
)
flags.DEFINE_integer("whole_subnets", 20, "Suite npu: random subnets to compile as a whole.", 1)


def train_step_settings() -> TrainStepSettings:
    """Sizes and counts of the suites `train_step` and `input`.

    Raises:
        ValueError: a flag does not belong to the suite.
    """
    space, network = _space_and_network(_FRAMES)
    return TrainStepSettings(
        space=space,
        network=network,
        batch_size=FLAGS.batch_size,
        subnets_per_step=FLAGS.subnets_per_step,
        draws=FLAGS.draws,
        repetitions=FLAGS.repetitions or _REPETITIONS,
        loop_steps=FLAGS.loop_steps,
        precisions=tuple(FLAGS.precisions),
        bfloat16_draws=FLAGS.bfloat16_draws,
        front_end=front_end_flags.front_end_from_flags(),
    )


def search_settings() -> SearchSettings:
    """Sizes and counts of the suite `search`.

    Raises:
        ValueError: a flag does not belong to the suite.
    """
    space, network = _space_and_network(_FRAMES)
    return SearchSettings(
        space=space,
        network=network,
        batch_size=FLAGS.batch_size,
        clips=FLAGS.clips or _CLIPS,
        random_draws=FLAGS.random_draws,
        walks=FLAGS.walks,
    )


def prepare_settings() -> PrepareSettings:
    """Counts of the suite `prepare`.

    Raises:
        ValueError: a flag does not belong to the suite.
    """
    _check_suite()
    return PrepareSettings(
        FLAGS.clips or _FILES, FLAGS.clip_secs, FLAGS.repetitions or _REPETITIONS
    )


def npu_settings() -> NpuSettings:
    """Sizes and counts of the suite `npu`.

    Raises:
        ValueError: a flag does not belong to the suite.
    """
    space, network = _space_and_network(_FRAMES)
    return NpuSettings(space, network, tuple(FLAGS.target), FLAGS.whole_subnets)


def tflite_settings() -> TFLiteSettings:
    """Files, sizes and counts of the suite `tflite`.

    Raises:
        ValueError: a flag does not belong to the suite, or contradicts `--model`; or a file of
            `--model` is missing or given twice.
    """
    space, network = _space_and_network(_TEN_SECS_FRAMES)
    sizes = ("space", "base_channels", "classes", "frames", *front_end_flags.NAMES)
    given = [f"--{name}" for name in sizes if FLAGS[name].present]
    if FLAGS.model and given:
        raise ValueError(
            f"{', '.join(given)} cannot be used with --model, whose files have sizes of their own"
        )
    return TFLiteSettings(
        models=tuple(Path(model) for model in FLAGS.model),
        space=space,
        network=network,
        threads=FLAGS.threads,
        warm_up=FLAGS.warm_up,
        repetitions=FLAGS.repetitions or _INVOCATIONS,
        front_end=front_end_flags.front_end_from_flags(),
    )


def _check_suite() -> None:
    for name, suites in _OF_SOME_SUITES.items():
        if FLAGS[name].present and FLAGS.suite not in suites:
            raise ValueError(
                f"--{name} does not apply to --suite={FLAGS.suite}; it is for "
                f"{' and '.join(suites)}"
            )


def _space_and_network(frames: int) -> tuple[SearchSpace, NetworkConfig]:
    _check_suite()
    space = search_space(FLAGS.space, FLAGS.base_channels)
    mel_bins = front_end_flags.front_end_from_flags().mel_bins
    return space, space.network(FLAGS.classes, FLAGS.frames or frames, mel_bins, task=TASKS[0])
