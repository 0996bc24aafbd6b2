"""How candidates are proposed. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.store import SubnetMetrics


class Algorithm(Protocol):
    """Proposes the candidates of one budget, all of which meet it."""

    def propose(self) -> Sequence[Subnet]:
        """The next distinct candidates to evaluate; none when the search is over."""

    def learn(self, metrics: Mapping[Subnet, SubnetMetrics]) -> None:
        """Takes in the validation metrics of what was proposed last."""

    def evaluated(self) -> Mapping[Subnet, SubnetMetrics]:
        """What is known from earlier runs of this search, and from others that share it."""


class OneRound:
    """Proposes all its candidates at once: random search, exhaustive search.

    Args:
        candidates: distinct subnets.
    """

    def __init__(self, candidates: Sequence[Subnet]) -> None:
        self._candidates = tuple(candidates)

    def propose(self) -> Sequence[Subnet]:
        """All candidates the first time, none after that."""
        proposed, self._candidates = self._candidates, ()
        return proposed

    def learn(self, metrics: Mapping[Subnet, SubnetMetrics]) -> None:
        """Nothing: no later proposal depends on it."""

    def evaluated(self) -> Mapping[Subnet, SubnetMetrics]:
        """None: a run proposes everything anew, and the store knows the metrics."""
        return {}


def exhaustive(members: Sequence[Subnet]) -> OneRound:
    """Every subnet that meets the budget, so that the best of them is the answer."""
    return OneRound(sorted(members))


def random(members: Sequence[Subnet], population: int, seed: int) -> OneRound:
    """The paper's search (section 2.4): a sample without replacement.

    Since the members are known beforehand nothing is ever rejected; where there are fewer than
    `population`, all are taken.

    Args:
        members: the subnets that meet the budget.
        population: how many candidates are wanted (the paper's p = 25).
        seed: of the draw.

    Raises:
        ValueError: the population is not positive.
    """
    if population < 1:
        raise ValueError(f"the population must be positive, received {population}")
    ordered = sorted(members)
    count = min(population, len(ordered))
    chosen = np.random.default_rng(seed).choice(len(ordered), count, replace=False)
    return OneRound([ordered[index] for index in sorted(chosen)])
