"""Flags of a time budget and of the recipe that comes with it. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from absl import flags

from aec_ofa_tf.models.cnn10 import Cnn10Space
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.training.recipe import SMALL_BASE_CHANNELS, SMALL_OPTIONS, small_data_fields
from aec_ofa_tf.training.time_budget import StepNumbers

FLAGS = flags.FLAGS

SMALL_DATA = "small_data"
RECIPES = ("paper", SMALL_DATA)
_SIZES = ("space", "base_channels", "teacher_base_channels", "supernet_init")
_STEPS = {"teacher_steps": "teacher", "largest_steps": "largest", "supernet_steps": "supernet"}
"""Flag -> field of `StepNumbers`, where the names differ."""
_INTERVALS = ("warmup_steps", "validate_every", "checkpoint_every")


def define_time_flags() -> None:
    """Defines --train_hours and --recipe."""
    flags.DEFINE_float(
        "train_hours",
        None,
        "Time of the whole run in hours, in place of step counts: a few steps are measured, the "
        "time is divided among teacher, supernet and search, and the step numbers are kept in the "
        "workdir. 0: by step counts.",
        0.0,
    )
    flags.DEFINE_enum(
        "recipe",
        None,
        RECIPES,
        "Defaults of the flags that are not given; paper: as each flag says; small_data: batch, "
        "learning rate, augmentation and dropout for some hundreds to some thousands of "
        "recordings. Default: small_data with --train_hours, else paper.",
    )


def hours() -> float | None:
    """The time budget; None where steps are counted.

    Raises:
        ValueError: step counts are given too.
    """
    if not FLAGS.train_hours:
        return None
    given = [name for name in _STEPS if FLAGS[name].present]
    if FLAGS.largest_steps == 0 and "largest_steps" in given:
        given.remove("largest_steps")  # a run without phase 1
    if given:
        names = " and ".join(f"--{name}" for name in given)
        raise ValueError(
            f"--train_hours chooses the number of steps: leave out {names}, or count steps with "
            "--train_hours=0"
        )
    return FLAGS.train_hours


def set_sizes() -> None:
    """Sets the networks' flags by the recipe, unless one of them is given."""
    if is_small() and not any(FLAGS[name].present for name in _SIZES):
        channels = {"base_channels": SMALL_BASE_CHANNELS}
        channels["teacher_base_channels"] = SMALL_BASE_CHANNELS
        _set({**channels, "supernet_init": "teacher", "largest_steps": 0})


def set_training(clip_secs: float, space: SearchSpace, is_window: bool = False) -> None:
    """Sets the flags of training that are not given by the recipe.

    Args:
        clip_secs: length of a clip, or of the windows that networks hear.
        space: the search space.
        is_window: whether it is that of windows.
    """
    if is_small():
        _set({**small_data_fields(clip_secs, is_window), "student_mixup": True})
        if isinstance(space, Cnn10Space):
            options = {
                field.name: getattr(SMALL_OPTIONS, field.name) for field in fields(SMALL_OPTIONS)
            }
            _set({name: rate for name, rate in options.items() if name.endswith("dropout")})


def set_steps(steps: StepNumbers) -> None:
    """Sets the flags of step numbers that are not given; they replace --train_hours."""
    _set({flag: getattr(steps, field) for flag, field in _STEPS.items() if getattr(steps, field)})
    _set({name: getattr(steps, name) for name in _INTERVALS})
    FLAGS.recipe = SMALL_DATA if is_small() else RECIPES[0]
    FLAGS.train_hours = None


def left_open() -> set[str]:
    """The flags of step numbers that a time budget has not set yet."""
    return {n for n in (*_STEPS, *_INTERVALS) if FLAGS.train_hours and not FLAGS[n].present}


def is_small() -> bool:
    """Whether the recipe is the one for small data sets."""
    return (FLAGS.recipe or (SMALL_DATA if FLAGS.train_hours else RECIPES[0])) == SMALL_DATA


def _set(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if not FLAGS[name].present:
            setattr(FLAGS, name, value)
