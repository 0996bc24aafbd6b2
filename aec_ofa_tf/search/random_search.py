"""The paper's search: evaluate random candidates of a budget and keep the best (section 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aec_ofa_tf.search.candidates import random_candidates
from aec_ofa_tf.spec import NetworkConfig, SubnetSpec
from aec_ofa_tf.spec.budget import Budget
from aec_ofa_tf.spec.cost import costs


@dataclass(frozen=True)
class Candidate:
    """An evaluated subnet.

    Attributes:
        spec: the subnet.
        params: trainable weights.
        macs: multiply-adds per clip.
        mAP: on the validation split.
    """

    spec: SubnetSpec
    params: int
    macs: int
    mAP: float  # noqa: N815 - the field's spelling


@dataclass(frozen=True)
class SearchResult:
    """What a search found for one budget.

    Attributes:
        budget: the budget.
        in_budget: how many subnets of the space meet it.
        candidates: those that were evaluated, best first.
    """

    budget: Budget
    in_budget: int
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The candidate of the highest validation mAP; of equals the one with fewer parameters."""
        return self.candidates[0]


def random_search(
    subnets: Sequence[SubnetSpec],
    network: NetworkConfig,
    budget: Budget,
    evaluate: Callable[[SubnetSpec], float],
    population: int = 25,
    seed: int = 0,
) -> SearchResult:
    """Samples candidates that meet the budget and ranks them.

    Args:
        subnets: the search space.
        network: what is static.
        budget: what a subnet may cost.
        evaluate: from a subnet to its validation mAP.
        population: candidates per budget (the paper's p = 25).
        seed: of the draw.

    Returns:
        The ranking.

    Raises:
        UnsatisfiableBudgetError: no subnet meets the budget.
    """
    members = budget.members(subnets, network)
    candidates = [
        Candidate(spec=spec, **costs(spec, network), mAP=evaluate(spec))
        for spec in random_candidates(members, population, seed)
    ]
    ranked = sorted(candidates, key=lambda candidate: (-candidate.mAP, candidate.params))
    return SearchResult(budget, len(members), tuple(ranked))
