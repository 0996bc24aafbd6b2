"""Analyses of the scores of many subnets: Pareto front, spread, sensitivity, rank correlation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.stats import kendalltau, spearmanr

from aec_ofa_tf.models.space import SearchSpace, Subnet

Key = TypeVar("Key")
Scores = Mapping[Subnet, float]
"""The task's figure on the validation split, by subnet."""


def pareto_front(points: Mapping[Key, tuple[float, float]]) -> list[Key]:
    """The points that no other dominates: costs no more, scores no less and is better in one.

    Of equal points one is returned.

    Args:
        points: (cost, score) by key.

    Returns:
        The keys by ascending cost, and so by ascending score.
    """
    front: list[Key] = []
    best = float("-inf")
    for key in sorted(points, key=lambda key: (points[key][0], -points[key][1])):
        if points[key][1] > best:
            front.append(key)
            best = points[key][1]
    return front


def spread(scores: Sequence[float]) -> dict[str, float]:
    """Minimum, quartiles and maximum of the scores of a budget's candidates (paper figure 4)."""
    names = ("min", "q1", "median", "q3", "max")
    values = np.percentile(scores, [0, 25, 50, 75, 100])
    return {"candidates": len(scores), **dict(zip(names, values.tolist(), strict=True))}


def sensitivity(
    scores: Scores, space: SearchSpace, figure: str = "mAP"
) -> list[dict[str, float | int | str]]:
    """Mean score of all subnets with the same choice in a block (a stage of the space).

    The comparison is fair only if every subnet of the space has a score: within a budget, a wide
    block comes with narrow other blocks.

    Args:
        scores: score by subnet.
        space: the space of the subnets.
        figure: name of the scores.

    Returns:
        Rows of `block` (from 1), `choice` ("depth", or a field of the block's last unit such as
        "width"), `value`, the mean under the name `figure`, and `subnets`, their number. Choices
        with a single value are left out.
    """
    groups: dict[tuple[int, str, int], list[float]] = defaultdict(list)
    for subnet, score in scores.items():
        for block, choices in enumerate(space.split(subnet), start=1):
            present = [choice for choice in choices if any(choice)]
            groups[block, "depth", len(present)].append(score)
            for name, value in zip(space.fields, present[-1] if present else (), strict=False):
                groups[block, name, value].append(score)
    options: dict[tuple[int, str], int] = defaultdict(int)
    for block, choice, _ in groups:
        options[block, choice] += 1
    return [
        {
            "block": block,
            "choice": choice,
            "value": value,
            figure: float(np.mean(found)),
            "subnets": len(found),
        }
        for (block, choice, value), found in sorted(groups.items())
        if options[block, choice] > 1
    ]


def rank_correlation(proxy: Scores, full: Scores) -> dict[str, float | int | None]:
    """How well a cheaper evaluation preserves the ranking of subnets by the full evaluation.

    Args:
        proxy: scores of the cheaper evaluation, for at least the subnets of `full`.
        full: scores of the full evaluation.

    Returns:
        `spearman` and `kendall` coefficients, None if all scores of one evaluation are equal; the
        number of `subnets`; and `mean_difference`, proxy minus full.
    """
    subnets = sorted(full)
    cheap, trusted = ([scores[subnet] for subnet in subnets] for scores in (proxy, full))
    varied = len(subnets) > 1 and min(np.ptp(cheap), np.ptp(trusted)) > 0
    return {
        "spearman": float(spearmanr(cheap, trusted).statistic) if varied else None,
        "kendall": float(kendalltau(cheap, trusted).statistic) if varied else None,
        "subnets": len(subnets),
        "mean_difference": float(np.mean(cheap) - np.mean(trusted)),
    }
