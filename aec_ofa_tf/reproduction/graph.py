"""The jobs of a reproduction and what each depends on. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
        needs: names of the jobs that must be done before.
    """

    kind: str
    seed: int
    space: str
    ratio: float | None = None
    budget: str | None = None
    steps: int | None = None
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its record, which is a file's name too: `seed0.2-2-X.kd-0.4`."""
        parts = [self.kind]
        if self.ratio is not None:
            parts.append(f"{self.ratio:g}")
        if self.budget is not None:
            parts += [budget_folder(self.budget), str(self.steps)]
        return f"seed{self.seed}.{folder_name(self.space)}.{'-'.join(parts)}"

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
    wanted = [*_baselines(config), *_searches(config), *_tuned(config), *_other_spaces(config)]
    return tuple(_needed(_possible(config), {job.name for job in wanted}))


def _possible(config: ReproduceConfig) -> list[Job]:
    """Every job that an arm may need, in order."""
    main, others = config.main, config.spaces[1:]
    jobs: list[Job] = []
    for seed in config.all_seeds:
        teacher = Job(TEACHER, seed, space_name(main))
        jobs += [teacher, _soft_labels(seed, space_name(main), teacher)]
        jobs += [job for job in _baselines(config, (SCRATCH, KD)) if job.seed == seed]
        jobs += _supernet_and_searches(seed, space_name(main))
    jobs += _tuned(config, (TUNED, INIT))
    for seed in config.few_seeds:
        teacher = Job(TEACHER, seed, space_name(main))
        for space in map(space_name, others):
            jobs += [_soft_labels(seed, space, teacher), *_supernet_and_searches(seed, space)]
    return jobs


def _needed(jobs: Iterable[Job], wanted: set[str]) -> list[Job]:
    """The wanted jobs and what they need, in order."""
    kept: list[Job] = []
    for job in reversed(list(jobs)):
        if job.name in wanted:
            kept.append(job)
            wanted |= set(job.needs)
    return kept[::-1]


def _baselines(config: ReproduceConfig, arms: Iterable[str] | None = None) -> Iterator[Job]:
    space = space_name(config.main)
    for seed in config.all_seeds:
        needs = {KD: (Job(SOFT_LABELS, seed, space).name,)}
        for kind in (SCRATCH, KD):
            for ratio in config.fixed_ratios if kind in (arms or config.arms) else ():
                steps = config.subnet.steps
                yield Job(kind, seed, space, ratio, None, steps, needs.get(kind, ()))


def _searches(config: ReproduceConfig) -> list[Job]:
    found = (_supernet_and_searches(s, space_name(config.main)) for s in config.all_seeds)
    return [job for jobs in found for job in jobs if job.kind in config.arms]


def _tuned(config: ReproduceConfig, arms: Iterable[str] | None = None) -> list[Job]:
    """Fine-tuning of the subnets that the random search has found, or else the exact one."""
    space = space_name(config.main)
    kinds = arms or config.arms
    return [
        Job(kind, seed, space, None, budget, steps, (Job(tuned_by(config), seed, space).name,))
        for seed in config.few_seeds
        for budget in config.budgets
        for kind, all_steps in ((TUNED, config.tune_steps), (INIT, (config.subnet.steps,)))
        for steps in (all_steps if kind in kinds else ())
    ]


def tuned_by(config: ReproduceConfig) -> str:
    """The arm whose subnets are fine-tuned: the random search, unless only the exact one runs."""
    return EXACT if EXACT in config.arms and OFA not in config.arms else OFA


def _other_spaces(config: ReproduceConfig) -> list[Job]:
    names = map(space_name, config.spaces[1:])
    found = (_supernet_and_searches(s, name) for name in names for s in config.few_seeds)
    return [job for jobs in found for job in jobs if job.kind in config.arms]


def _soft_labels(seed: int, space: str, teacher: Job) -> Job:
    return Job(SOFT_LABELS, seed, space, needs=(teacher.name,))


def _supernet_and_searches(seed: int, space: str) -> list[Job]:
    supernet = Job(SUPERNET, seed, space, needs=(Job(SOFT_LABELS, seed, space).name,))
    return [supernet, *(Job(kind, seed, space, needs=(supernet.name,)) for kind in SEARCHES)]
