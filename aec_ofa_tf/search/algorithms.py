"""Search algorithms, which propose candidates, and the loop of all of them. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.members import ListedMembers, Members
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.store import SubnetMetrics

Evaluate = Callable[[Sequence[Subnet]], Mapping[Subnet, SubnetMetrics]]
"""From subnets to the validation metrics of each."""


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


def search(
    algorithms: Mapping[Budget, Algorithm],
    evaluate: Evaluate,
    size: Callable[[Subnet], float],
    figure: str = "mAP",
) -> dict[Budget, dict[Subnet, SubnetMetrics]]:
    """Runs the algorithms of all budgets in the same rounds, so that they share evaluations.

    Evaluations by earlier runs of a search and by other searchers of the same storage are included
    in the result.

    Args:
        algorithms: the algorithm of every budget.
        evaluate: called in every round with the distinct candidates of all budgets.
        size: of equally good candidates, the one of least size is the best.
        figure: the metric that candidates are ranked by.

    Returns:
        For every budget, the metrics of all candidates, best first.
    """
    found: dict[Budget, dict[Subnet, SubnetMetrics]] = {budget: {} for budget in algorithms}
    while True:
        proposed = {budget: algorithm.propose() for budget, algorithm in algorithms.items()}
        wanted = sorted(set().union(*proposed.values()))
        if not wanted:
            break
        metrics = evaluate(wanted)
        for budget, candidates in proposed.items():
            learned = {subnet: metrics[subnet] for subnet in candidates}
            algorithms[budget].learn(learned)
            found[budget].update(learned)
    return {
        budget: choose({**algorithm.evaluated(), **found[budget]}, size, figure)
        for budget, algorithm in algorithms.items()
    }


def choose(
    metrics: Mapping[Subnet, SubnetMetrics],
    size: Callable[[Subnet], float],
    figure: str = "mAP",
) -> dict[Subnet, SubnetMetrics]:
    """The candidates by descending figure, then by log loss, then by size.

    Few clips give many candidates the same accuracy; their log loss still tells them apart. One
    without, evaluated by an earlier version, comes after those with one.
    """

    def order(subnet: Subnet) -> tuple[float, float, float, Subnet]:
        found = metrics[subnet]
        loss = found.get("log_loss")
        return -found[figure], math.inf if loss is None else loss, size(subnet), subnet

    return {subnet: metrics[subnet] for subnet in sorted(metrics, key=order)}


def fitness(metrics: SubnetMetrics, figure: str) -> float:
    """The figure; for an accuracy less than a clip's share more, the more the less the log loss.

    So it orders candidates as `choose` does, sizes apart.
    """
    loss = metrics.get("log_loss")
    if loss is None:
        return metrics[figure]
    return metrics[figure] + math.exp(-loss) / (metrics["clips"] + 1)
