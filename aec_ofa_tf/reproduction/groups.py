"""Results of one arm over several seeds. No TensorFlow here."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aec_ofa_tf.reproduction.results import Arm, NetworkScore


@dataclass(frozen=True)
class Group:
    """The networks of one arm at one size.

    Attributes:
        networks: by seed.
    """

    networks: Mapping[int, NetworkScore]

    @property
    def scores(self) -> dict[int, float]:
        """The figure on the evaluation split by seed."""
        found = {seed: one.evaluation for seed, one in self.networks.items()}
        return {seed: value for seed, value in found.items() if value is not None}

    @property
    def params(self) -> int | None:
        """Mean number of parameters; None without a network."""
        return _rounded(mean(one.params for one in self.networks.values()))

    @property
    def macs(self) -> int | None:
        """Mean multiply-adds of a clip; None without a network."""
        return _rounded(mean(one.macs for one in self.networks.values()))

    def ratios(self, other: Group, of: Callable[[float], float] = float) -> list[float]:
        """This group's figure over another's, for every seed that both have.

        Args:
            other: the other group.
            of: what is divided of a figure; by default the figure.
        """
        both = sorted(self.scores.keys() & other.scores.keys())
        pairs = [(of(self.scores[seed]), of(other.scores[seed])) for seed in both]
        return [own / its for own, its in pairs if its]


def group(
    arms: Iterable[Arm],
    kind: str,
    space: str,
    *,
    ratio: float | None = None,
    budget: str | None = None,
    steps: int | None = None,
    seeds: Sequence[int] | None = None,
) -> Group:
    """The networks of an arm, by seed.

    Args:
        arms: all that is done.
        kind: the kind of job.
        space: name of the space.
        ratio: the width ratio of a baseline.
        budget: the budget of a searched or fine-tuned subnet.
        steps: steps of training of a single network.
        seeds: the seeds that count; by default all.
    """
    found = {}
    for arm in arms:
        job = arm.job
        same = (job.kind, job.space, job.ratio, job.steps) == (kind, space, ratio, steps)
        if (
            not same
            or job.budget not in (None, budget)
            or (seeds is not None and job.seed not in seeds)
        ):
            continue
        networks = [n for n in arm.result.networks if n.budget in (None, budget)]
        if networks:
            found[job.seed] = networks[0]
    return Group(dict(sorted(found.items())))


def of_shared_seeds(groups: Mapping[str, Group]) -> dict[str, Group]:
    """The same groups with the seeds that all of them have, but for those without any score."""
    known = [one.scores.keys() for one in groups.values() if one.scores]
    shared = set.intersection(*map(set, known)) if known else set()
    return {
        name: Group({seed: one.networks[seed] for seed in sorted(one.networks.keys() & shared)})
        for name, one in groups.items()
    }


def mean(values: Iterable[float]) -> float | None:
    """The mean; None of nothing."""
    found = list(values)
    return statistics.fmean(found) if found else None


def spread(values: Iterable[float]) -> float | None:
    """The sample standard deviation; None of less than two."""
    found = list(values)
    return statistics.stdev(found) if len(found) > 1 else None


def percent(value: float | None) -> float | None:
    """A share in percent."""
    return None if value is None else 100 * value


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
