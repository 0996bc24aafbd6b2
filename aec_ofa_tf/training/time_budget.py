"""A time budget in place of step counts: how the hours of a run are divided. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aec_ofa_tf.config import ConfigError, check_fields, number
from aec_ofa_tf.files import naming_damage, read_json, write_json

VALIDATIONS = 4
"""The greatest number of validations of a stage."""

LEAST_STEPS = 100
"""A phase with fewer steps learns nothing worth a run."""

_SHARES = {"teacher": 4, "largest": 1, "supernet": 4}
"""Of the time for training. The paper's 400,000, 100,000 and 200,000 steps take about as much."""

_RESERVE = 0.05
"""Share of the hours that is left for what was not measured."""

_WARMUP = 0.05
_CHECKPOINT_SECS = 120.0
_PLAN_NAME = "plan.json"
_PHASES = {"teacher": "teacher", "largest": "phase 1", "supernet": "supernet"}


@dataclass(frozen=True)
class MeasuredSecs:
    """Seconds on the machine that trains.

    Attributes:
        teacher: Seconds of a step of the teacher; 0 without a teacher.
        largest: Seconds of a step of the supernet's phase 1; 0 without this phase.
        supernet: Seconds of a step of its phase 2.
        fixed: Seconds of what takes as long whatever the steps are, by name.
    """

    teacher: float = number(0.0, 0.0)
    largest: float = number(0.0, 0.0)
    supernet: float = number(0.0, 0.0)
    fixed: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.phases:
            raise ValueError("hours are divided among training stages, and none was measured")

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of a step by phase, of the phases that there are."""
        return {name: getattr(self, name) for name in _SHARES if getattr(self, name)}


@dataclass(frozen=True)
class StepNumbers:
    """The step numbers of a run.

    Attributes:
        teacher: Steps of the teacher; 0 without one.
        largest: Steps of the supernet's phase 1.
        supernet: Steps of its phase 2.
        warmup_steps: As in `TrainConfig`, for all stages.
        validate_every: As in `TrainConfig`.
        checkpoint_every: As in `TrainConfig`.
    """

    teacher: int = number(0, 0)
    largest: int = number(0, 0)
    supernet: int = number(0, 0)
    warmup_steps: int = number(0, 0)
    validate_every: int = number(0, 0)
    checkpoint_every: int = number(1, 1)

    def __post_init__(self) -> None:
        check_fields(self)

    def secs(self, measured: MeasuredSecs) -> dict[str, float]:
        """Seconds of every part of the run, by name."""
        phases = {
            _PHASES[name]: getattr(self, name) * secs for name, secs in measured.phases.items()
        }
        return {**phases, **measured.fixed}


@dataclass(frozen=True)
class TimePlan:
    """How the hours of a run are divided; `plan.json` of the run directory holds it.

    Attributes:
        hours: the time budget.
        measured: what was measured before the run.
        steps: the step numbers, which stay as they are whenever the run is resumed.
        stages: identifies the stages whose steps were measured; empty in a plan of an earlier
            version.
    """

    hours: float
    measured: MeasuredSecs
    steps: StepNumbers
    stages: str = ""

    def __str__(self) -> str:
        """What was chosen and why, in lines of at most 80 columns."""
        secs = self.steps.secs(self.measured)
        spare = max(3600 * self.hours - sum(secs.values()), 0.0)
        phases = [
            f"{_PHASES[name]} {getattr(self.steps, name):,} steps of {step_secs:.3g} s, "
            f"{duration(secs[_PHASES[name]])}"
            for name, step_secs in self.measured.phases.items()
        ]
        others = [f"{name} {duration(secs[name])}" for name in self.measured.fixed if secs[name]]
        return "\n".join(
            [
                f"{self.hours:g} h, by a few measured steps:",
                *(f"  {text}" for text in phases),
                *_joined([*others, f"spare {duration(spare)}"]),
                f"  warm-up {self.steps.warmup_steps:,} steps; every "
                f"{self.steps.validate_every:,} steps a validation",
            ]
        )


def divide(hours: float, measured: MeasuredSecs) -> StepNumbers:
    """The step numbers that fill a time budget.

    What is not training comes off first, with a reserve. Teacher and supernet get equal times, a
    phase 1 a quarter of that. More hours never give fewer steps.

    Args:
        hours: the whole run's time.
        measured: seconds of steps and of all else.

    Raises:
        ConfigError: the hours are not positive, or too few; the message names the least.
    """
    if not 0 < hours < math.inf:
        raise ConfigError(f"hours is a number above 0, received {hours!r}", "hours")
    free = _training_secs(hours, measured)
    shares = {name: _SHARES[name] for name in measured.phases}
    steps = {
        name: _rounded(free * share / sum(shares.values()) / measured.phases[name])
        for name, share in shares.items()
    }
    if min(steps.values()) < LEAST_STEPS:
        raise ConfigError(
            f"hours={hours:g} are too few: what is measured here needs at least "
            f"hours={least_hours(measured):g} for {LEAST_STEPS} steps of each phase. Give more "
            "time, or take shorter clips, a smaller network or a smaller batch",
            "hours",
        )
    return _with_intervals(steps, measured)


def least_hours(measured: MeasuredSecs) -> float:
    """The least time budget that `divide` accepts, rounded up to three digits."""
    shares = {name: _SHARES[name] for name in measured.phases}
    longest = max(secs / shares[name] for name, secs in measured.phases.items())
    # A thousandth more than the steps need, which rounding must not take away.
    training = 1.001 * LEAST_STEPS * longest * sum(shares.values())
    hours = (training + sum(measured.fixed.values())) / (1 - _RESERVE) / 3600
    digits = 2 - math.floor(math.log10(hours))
    return math.ceil(hours * 10**digits) / 10**digits


def read_plan(workdir: Path) -> TimePlan | None:
    """The plan of a run directory; None if it has none.

    Raises:
        ValueError: the file is damaged.
    """
    path = workdir / _PLAN_NAME
    if not path.exists():
        return None
    with naming_damage(path, "restore it from a copy, or go on with the steps in flags.txt"):
        content = read_json(path)
        measured, steps = content["measured"], content["steps"]
        stages = str(content.get("stages", ""))
        return TimePlan(content["hours"], MeasuredSecs(**measured), StepNumbers(**steps), stages)


def write_plan(workdir: Path, plan: TimePlan) -> None:
    """Writes `plan.json`."""
    write_json(workdir / _PLAN_NAME, asdict(plan))


def kept_plan(workdir: Path, hours: float, begun: bool, stages: str) -> TimePlan | None:
    """The plan that a run goes on with; None if it has to be made.

    Args:
        workdir: the run directory.
        hours: the time budget that is asked for.
        begun: whether a step of the run was trained and kept; before, a plan that was made for
            other stages is made again.
        stages: identifies the stages.

    Raises:
        ConfigError: the run was begun with another time budget, or with step numbers.
    """
    plan = read_plan(workdir)
    if plan is not None and plan.hours == hours and (begun or plan.stages in ("", stages)):
        return plan
    if not begun:
        return None
    was = "step numbers" if plan is None else f"hours={plan.hours:g}"
    raise ConfigError(
        f"the run in {workdir} was begun with {was}, now hours={hours:g}. Its step numbers are "
        "fixed: go on as it was begun, or take another run directory",
        "hours",
    )


def duration(secs: float) -> str:
    """A length of time for people: 40 s, 12 min, 2.5 h."""
    if secs < 90:
        return f"{secs:.0f} s"
    return f"{secs / 60:.0f} min" if secs < 90 * 60 else f"{secs / 3600:.1f} h"


def _training_secs(hours: float, measured: MeasuredSecs) -> float:
    """Seconds that are left for steps."""
    return 3600 * hours * (1 - _RESERVE) - sum(measured.fixed.values())


def _rounded(steps: float) -> int:
    """Rounded down to a multiple of 10, from 1000 on of 50."""
    unit = 10 if steps < 1000 else 50
    return max(int(steps // unit) * unit, 0)


def _with_intervals(steps: Mapping[str, int], measured: MeasuredSecs) -> StepNumbers:
    stages = [steps.get("teacher", 0), steps.get("largest", 0) + steps.get("supernet", 0)]
    longest, shortest = max(stages), min(steps.values())
    kept = _CHECKPOINT_SECS / max(measured.phases.values())
    return StepNumbers(
        **steps,
        warmup_steps=min(round(_WARMUP * min(filter(None, stages))), shortest // 2),
        validate_every=-(-longest // (VALIDATIONS - 1)),
        checkpoint_every=max(min(int(kept), shortest // 2), 10),
    )


def _joined(texts: list[str], columns: int = 62) -> list[str]:
    """Texts side by side, as many as fit a line, indented by two."""
    rows = [""]
    for text in texts:
        together = f"{rows[-1]}, {text}" if rows[-1] else text
        if rows[-1] and len(together) > columns:
            rows.append(text)
        else:
            rows[-1] = together
    return [f"  {row}" for row in rows]
