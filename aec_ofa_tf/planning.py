"""Plans a run for a number of hours: measures a few steps of its stages and divides the time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from aec_ofa_tf.config import ConfigError, is_number
from aec_ofa_tf.dataset import TRAIN, VALIDATION
from aec_ofa_tf.files import fingerprint
from aec_ofa_tf.models.cnn10 import Cnn10Space
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.rehearsal import Clips, ScoringRehearsal
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig, resume_key
from aec_ofa_tf.training.noise import NoiseDataset
from aec_ofa_tf.training.recipe import SMALL_BASE_CHANNELS, small_data
from aec_ofa_tf.training.rehearsal import Rehearsal
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.training.time_budget import (
    VALIDATIONS,
    MeasuredSecs,
    StepNumbers,
    TimePlan,
    divide,
    kept_plan,
    write_plan,
)
from aec_ofa_tf.training.windowed import windows_of

FORWARD = 1 / 3
"""Multiply-adds of a network's scores over those of a training step."""

NOISE_CLIPS = 128

_INTERVALS = ("warmup_steps", "validate_every", "checkpoint_every")
_STEPS = ("steps", "largest_steps", *_INTERVALS)

_MEASURED = 12
"""Steps that are measured of each stage: subnets are drawn, and not all cost the same."""


@dataclass(frozen=True)
class PlannedStages:
    """The stages among which hours are divided.

    Attributes:
        teacher: the teacher; None for a run without this stage.
        supernet: the supernet, with phase 1 unless its `largest_steps` is 0.
        search: the search; None to leave no time for it.
        other_secs: seconds of other parts of the run, by name.

    Example:
        >>> stages = ofa.PlannedStages.for_small_data(ofa.search_space("[2,2,X]", 16), 5.0)
        >>> stages.teacher.train.crop_secs, stages.supernet.init
        (2.5, 'teacher')
    """

    teacher: TeacherConfig | None
    supernet: SupernetConfig
    search: SearchConfig | None = None
    other_secs: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def for_small_data(
        cls, space: SearchSpace, clip_secs: float, is_window: bool = False
    ) -> PlannedStages:
        """A teacher and a supernet with settings for small data sets (`small_data`).

        A supernet of CNN10s has a teacher of its largest subnet's widths, and starts from it.
        """
        train = small_data(clip_secs, is_window)
        channels = space.base_channels if isinstance(space, Cnn10Space) else SMALL_BASE_CHANNELS
        teacher = TeacherConfig(train, channels)
        if teacher.subnet != space.largest:
            return cls(teacher, SupernetConfig(train, student_mixup=True))
        return cls(
            teacher, SupernetConfig(train, largest_steps=0, init="teacher", student_mixup=True)
        )

    def with_steps(self, steps: StepNumbers) -> PlannedStages:
        """The same stages with the step numbers of a plan.

        Warm-up, validations and checkpoints that are not the defaults of `TrainConfig` are kept.
        """
        teacher, supernet = self.teacher, self.supernet
        if teacher is not None:
            teacher = replace(teacher, train=_scaled(teacher.train, steps), steps=steps.teacher)
        supernet = replace(
            supernet,
            train=_scaled(supernet.train, steps),
            largest_steps=steps.largest,
            steps=steps.supernet,
        )
        return replace(self, teacher=teacher, supernet=supernet)

    @property
    def fingerprint(self) -> str:
        """Identifies what a step of training computes, whatever the step numbers are."""
        configs = [one for one in (self.teacher, self.supernet) if one is not None]
        return fingerprint([_without_steps(resume_key(config)) for config in configs])


@dataclass(frozen=True)
class TrainPlan:
    """A run whose step numbers are fixed; `print` shows what was chosen and why.

    Attributes:
        time: the division of the hours.
        teacher: configuration of the stage `teacher`; None for a run without this stage.
        supernet: configuration of the stage `supernet`.
    """

    time: TimePlan
    teacher: TeacherConfig | None
    supernet: SupernetConfig

    def __str__(self) -> str:
        return str(self.time)


def plan_run(run: Run, hours: float, stages: PlannedStages) -> TrainPlan:
    """Makes the plan of a run, or reads the one that it was begun with.

    Args:
        run: data and run directory, which the caller has locked.
        hours: the time of the whole run.
        stages: the stages, whose step numbers do not count.

    Raises:
        ConfigError: the hours are too few, or the run was begun with others, or with step numbers.
        ValueError: the run is trained by a cluster.
    """
    check_hours(hours, run.devices.is_cluster)
    begun = any(
        run.has_begun(name) or run.workdir.is_done(name) for name in ("teacher", "supernet")
    )
    plan = kept_plan(run.workdir.path, hours, begun, stages.fingerprint)
    if plan is None:
        noise = NoiseDataset.like(run.records, NOISE_CLIPS)
        clips = {split: run.records.clips(split) for split in (TRAIN, VALIDATION)}
        measured = measure(replace(run, records=noise), stages, clips)
        plan = new_plan(hours, measured, stages)
        write_plan(run.workdir.path, plan)
    fixed = stages.with_steps(plan.steps)
    return TrainPlan(plan, fixed.teacher, fixed.supernet)


def new_plan(hours: float, measured: MeasuredSecs, stages: PlannedStages) -> TimePlan:
    """Divides hours; warm-up and intervals that stages have already are theirs.

    Raises:
        ConfigError: the hours are too few.
    """
    steps = replace(divide(hours, measured), **_intervals(stages.supernet.train))
    return TimePlan(hours, measured, steps, stages.fingerprint)


def check_hours(hours: object, is_cluster: bool) -> None:
    """Checks what can be known of a time budget before anything is measured.

    Raises:
        ConfigError: it is not a number above 0.
        ValueError: the run is trained by a cluster.
    """
    if not is_number(hours) or not 0 < hours < float("inf"):  # type: ignore[operator]
        raise ConfigError(f"hours is a number above 0, received {hours!r}", "hours")
    if is_cluster:
        raise ValueError(
            "hours are divided by measured steps, and one process cannot measure a cluster: give "
            "step numbers"
        )


def small_stages(run: Run) -> PlannedStages:
    """`PlannedStages.for_small_data` for a run's space, and its clips or windows."""
    is_window = windows_of(run.records) > 1
    return PlannedStages.for_small_data(run.space, run.records.clip_secs, is_window)


def measure(run: Run, stages: PlannedStages, clips: Mapping[str, int]) -> MeasuredSecs:
    """Measures a few steps of the stages, and the scoring of subnets.

    Args:
        run: noise in the shape of the data, and the run directory, which is not changed.
        stages: the stages.
        clips: number of clips of the real data by split.
    """
    began = time.monotonic()
    teacher, supernet = stages.teacher, stages.supernet
    fixed = dict(stages.other_secs)
    noise: Any = run.records
    with tempfile.TemporaryDirectory() as place:
        folders = run.workdir.path, Path(place)
        rehearsal = Rehearsal(run.space, run.network, noise, run.devices, *folders, _MEASURED)
        teacher_secs = rehearsal.teacher(teacher) if teacher else 0.0
        largest_secs, sampled_secs = rehearsal.supernet(supernet)
    fixed["start of the stages"] = rehearsal.start_secs
    if teacher and supernet.distill_from == "cache":
        scored = windows_of(noise) * clips[TRAIN]
        fixed["soft labels"] = FORWARD * teacher_secs / teacher.train.batch_size * scored
    scoring, each = _scoring_secs(run, stages, clips)
    fixed |= scoring
    fixed["these measurements"] = time.monotonic() - began
    landmarks = len(run.space.landmarks)
    return MeasuredSecs(
        teacher_secs + each if teacher else 0.0,
        largest_secs + landmarks * each if largest_secs else 0.0,
        sampled_secs + landmarks * each,
        {name: round(secs, 1) for name, secs in fixed.items()},
    )


def _scoring_secs(
    run: Run, stages: PlannedStages, clips: Mapping[str, int]
) -> tuple[dict[str, float], float]:
    """Seconds of all validations and of the search; nothing without validation clips.

    Returns:
        Seconds by name, and, where stages say how often they validate, the seconds of validating a
        network as a share of each step.
    """
    if not clips.get(VALIDATION):
        return {}, 0.0
    train, search = stages.supernet.train, stages.search
    noise: Any = run.records
    sizes = train.batch_size, min(train.calibration_clips, clips[TRAIN]), clips[VALIDATION]
    scoring = ScoringRehearsal(run, noise, Clips(*sizes))
    secs = {} if search is None else {"search": scoring.search_secs(search)}
    each = scoring.validation_secs()
    if every := _intervals(train).get("validate_every"):
        return secs, each / every
    scored = len(run.space.landmarks) + (stages.teacher is not None)
    return {**secs, "validations": VALIDATIONS * scored * each}, 0.0


def _scaled(train: TrainConfig, steps: StepNumbers) -> TrainConfig:
    planned = {name: getattr(steps, name) for name in _INTERVALS}
    return replace(train, **{**planned, **_intervals(train)})


def _intervals(train: TrainConfig) -> dict[str, int]:
    """Warm-up and intervals that are not the defaults of `TrainConfig`, by name."""
    defaults = {one.name: one.default for one in fields(TrainConfig)}
    values = {name: getattr(train, name) for name in _INTERVALS}
    return {name: value for name, value in values.items() if value != defaults[name]}


def _without_steps(settings: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name not in _STEPS}
