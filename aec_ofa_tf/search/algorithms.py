"""Search algorithms: they propose candidates. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.members import ListedMembers, Members
from aec_ofa_tf.search.store import SubnetMetrics


class Algorithm(Protocol):
    """Proposes the candidates of one budget, all of which meet it."""

    def propose(self) -> Sequence[Subnet]:
        """The next distinct candidates to evaluate; empty when the search is over."""

    def learn(self, metrics: Mapping[Subnet, SubnetMetrics]) -> None:
        """Receives the validation metrics of the last proposal."""

    def evaluated(self) -> Mapping[Subnet, SubnetMetrics]:
        """Metrics from earlier runs of this search, and from searchers that share its storage."""


class OneRound:
    """Proposes all candidates at once, for random and exhaustive search.

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
        """Does nothing: there are no later proposals."""

    def evaluated(self) -> Mapping[Subnet, SubnetMetrics]:
        """Empty: every run proposes all candidates, whose known metrics are in the store."""
        return {}


def exhaustive(members: ListedMembers) -> OneRound:
    """Proposes every subnet that meets the budget."""
    return OneRound(members.subnets)


def random(members: Members, population: int, seed: int) -> OneRound:
    """The paper's search (section 2.4): random subnets that meet the budget, without repetitions.

    Args:
        members: the subnets that meet the budget.
        population: number of candidates (the paper's p = 25); all, if there are fewer members.
        seed: seed of the draw.

    Raises:
        ValueError: the population is not positive.
    """
    if population < 1:
        raise ValueError(f"the population must be positive, received {population}")
    return OneRound(members.sample(population, seed))
