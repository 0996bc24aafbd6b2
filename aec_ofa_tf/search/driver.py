"""Propose, evaluate, choose: the loop that all algorithms share. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aec_ofa_tf.search.algorithms import Algorithm
from aec_ofa_tf.spec import SubnetSpec
from aec_ofa_tf.spec.budget import Budget

Evaluate = Callable[[Sequence[SubnetSpec]], Mapping[SubnetSpec, float]]
"""From subnets to the validation mAP of each."""


def search(
    algorithms: Mapping[Budget, Algorithm],
    evaluate: Evaluate,
    size: Callable[[SubnetSpec], float],
) -> dict[Budget, dict[SubnetSpec, float]]:
    """Runs the algorithms of all budgets side by side, so that they share evaluations.

    Args:
        algorithms: by budget.
        evaluate: called with the distinct candidates of a round, until there are none.
        size: of equally good candidates the one where it is least is the best.

    What earlier runs of a search have evaluated counts as found.

    Returns:
        By budget the mAP of every candidate, best first.
    """
    earlier = {budget: algorithm.evaluated() for budget, algorithm in algorithms.items()}
    resumed = sorted(set().union(*earlier.values()))
    known = evaluate(resumed) if resumed else {}
    found = {budget: {spec: known[spec] for spec in specs} for budget, specs in earlier.items()}
    while True:
        proposed = {budget: algorithm.propose() for budget, algorithm in algorithms.items()}
        wanted = sorted(set().union(*proposed.values()))
        if not wanted:
            return {budget: _ranked(scores, size) for budget, scores in found.items()}
        scores = evaluate(wanted)
        for budget, candidates in proposed.items():
            learned = {spec: scores[spec] for spec in candidates}
            algorithms[budget].learn(learned)
            found[budget].update(learned)


def _ranked(
    scores: Mapping[SubnetSpec, float], size: Callable[[SubnetSpec], float]
) -> dict[SubnetSpec, float]:
    order = sorted(scores, key=lambda spec: (-scores[spec], size(spec), spec))
    return {spec: scores[spec] for spec in order}
