"""The search loop of all algorithms: propose, evaluate, choose. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.algorithms import Algorithm
from aec_ofa_tf.search.store import SubnetMetrics

Evaluate = Callable[[Sequence[Subnet]], Mapping[Subnet, SubnetMetrics]]
"""From subnets to the validation metrics of each."""


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
        size: of candidates with equal figures, the one of least size is the best.
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
    """The candidates by descending figure; of equally good ones the smaller comes first."""
    order = sorted(metrics, key=lambda subnet: (-metrics[subnet][figure], size(subnet), subnet))
    return {subnet: metrics[subnet] for subnet in order}
