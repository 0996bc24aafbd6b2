"""The jobs of a reproduction and what each depends on. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from aec_ofa_tf.costs.budget import budget_folder
from aec_ofa_tf.reproduction.config import (
    EXACT,
    INIT,
    KD,
    OFA,
    SCRATCH,
    TUNED,
    ReproduceConfig,
    space_name,
)

TEACHER, SOFT_LABELS, SUPERNET = "teacher", "soft_labels", "supernet"
SEARCHES = {OFA: "random", EXACT: "exhaustive"}
"""The algorithm of an arm that searches."""

ALONE = {SCRATCH: ("labels", "random"), KD: ("distill", "random"), INIT: ("distill", "random")}
ALONE |= {TUNED: ("distill", "supernet")}
"""Objective and initial weights of an arm that trains one network."""


@dataclass(frozen=True)
class Job:
    """One stage of one seed in one search space.

    Attributes:
        kind: teacher, soft_labels, supernet, or an arm.
        seed: the seed.
        space: name of the space.
        ratio: the width ratio of a baseline.
        budget: text of the budget whose searched subnet is trained.
        steps: steps of the training of a single network.
    """

    kind: str
    seed: int
    space: str
    ratio: float | None = None
    budget: str | None = None
    steps: int | None = None

    @property
    def name(self) -> str:
        """The name of its record, which is a file's name too: `seed0.2-2-X.kd-0.4-1000`."""
        ratio = None if self.ratio is None else f"{self.ratio:g}"
        budget = None if self.budget is None else budget_folder(self.budget)
        parts = [part for part in (ratio, budget, self.steps) if part is not None]
        kind = "-".join(map(str, [self.kind, *parts]))
        return f"seed{self.seed}.{folder_name(self.space)}.{kind}"

    @property
    def folder(self) -> str:
        """Its run directory, within that of the reproduction."""
        return f"seed{self.seed}/{folder_name(self.space)}"


def folder_name(space: str) -> str:
    """A space's name as that of a folder: `2-2-X`."""
    return space.strip("[]").replace(",", "-")


def jobs_of(config: ReproduceConfig) -> tuple[Job, ...]:
    """All jobs, each after those that it needs.

    The main comparison comes first, seed by seed; then fine-tuning, and then the other spaces.
    """
    jobs = (one for job in _wanted(config) for one in _with_needs(job, config))
    return tuple(dict.fromkeys(jobs))


def needs_of(job: Job, config: ReproduceConfig) -> tuple[Job, ...]:
    """The jobs that a job follows directly."""
    if job.kind in (TEACHER, SCRATCH):
        return ()
    if job.kind == SOFT_LABELS:
        return (Job(TEACHER, job.seed, space_name(config.main)),)
    if job.kind in (KD, SUPERNET):
        return (Job(SOFT_LABELS, job.seed, job.space),)
    if job.kind in SEARCHES:
        return (Job(SUPERNET, job.seed, job.space),)
    return (Job(config.search_arm, job.seed, job.space),)


def _with_needs(job: Job, config: ReproduceConfig) -> Iterator[Job]:
    """A job after everything that it needs."""
    for needed in needs_of(job, config):
        yield from _with_needs(needed, config)
    yield job


def _wanted(config: ReproduceConfig) -> Iterator[Job]:
    """The jobs of the arms, in the order of their worth."""
    main, others = space_name(config.main), map(space_name, config.spaces[1:])
    for seed in config.all_seeds:
        yield from _baselines(seed, config)
        yield from _searches(seed, main, config)
    for seed in config.few_seeds:
        yield from _tuned(seed, config)
    for seed, space in product(config.few_seeds, others):
        yield from _searches(seed, space, config)


def _baselines(seed: int, config: ReproduceConfig) -> Iterator[Job]:
    kinds = [kind for kind in (KD, SCRATCH) if kind in config.arms]
    for kind, ratio in product(kinds, config.fixed_ratios):
        yield Job(kind, seed, space_name(config.main), ratio, None, config.subnet.steps)


def _searches(seed: int, space: str, config: ReproduceConfig) -> Iterator[Job]:
    return (Job(kind, seed, space) for kind in SEARCHES if kind in config.arms)


def _tuned(seed: int, config: ReproduceConfig) -> Iterator[Job]:
    """Fine-tuning of the subnets that were found, and their architectures anew."""
    arms = {TUNED: config.tune_steps, INIT: (config.subnet.steps,)}
    for budget in config.budgets:
        for kind in (kind for kind in arms if kind in config.arms):
            for steps in arms[kind]:
                yield Job(kind, seed, space_name(config.main), None, budget, steps)
