"""What the scores of many subnets tell about a space and about its evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import kendalltau, spearmanr

from aec_ofa_tf.models.space import Subnet

Scores = Mapping[Subnet, float]
"""Validation mAP by subnet."""


def spread(scores: Sequence[float]) -> dict[str, float]:
    """Least, quartiles and greatest of the candidates of a budget (the paper's figure 4)."""
    names = ("min", "q1", "median", "q3", "max")
    values = np.percentile(scores, [0, 25, 50, 75, 100])
    return {"candidates": len(scores), **dict(zip(names, values.tolist(), strict=True))}


def sensitivity(scores: Scores) -> list[dict[str, float | int | str]]:
    """Mean mAP over all subnets that make the same choice in a block.

    Choices are compared fairly only if every subnet of a space has a score: under a budget alone,
    wide blocks come with thin others.

    Returns:
        Rows of `block` (2 for the first elastic one), `choice` ("width" of its last convolution,
        or "depth"), `value`, `mAP` and `subnets`; only choices that there are.
    """
    groups: dict[tuple[int, str, int], list[float]] = defaultdict(list)
    for spec, score in scores.items():
        for block, widths in enumerate(spec.blocks, start=1):
            groups[block, "width", widths[-1]].append(score)
            groups[block, "depth", len(widths)].append(score)
    options: dict[tuple[int, str], int] = defaultdict(int)
    for block, choice, _ in groups:
        options[block, choice] += 1
    return [
        {
            "block": block,
            "choice": choice,
            "value": value,
            "mAP": float(np.mean(found)),
            "subnets": len(found),
        }
        for (block, choice, value), found in sorted(groups.items())
        if options[block, choice] > 1
    ]


def rank_correlation(proxy: Scores, full: Scores) -> dict[str, float | int | None]:
    """How far a cheaper evaluation ranks subnets as the full one does.

    Args:
        proxy: of at least the subnets of `full`.
        full: by the evaluation that is trusted.

    Returns:
        `spearman` and `kendall` coefficients, None where all subnets of one score alike, the
        number of `subnets`, and `mean_difference`: proxy minus full.
    """
    specs = sorted(full)
    cheap, trusted = ([scores[spec] for spec in specs] for scores in (proxy, full))
    varied = len(specs) > 1 and min(np.ptp(cheap), np.ptp(trusted)) > 0
    return {
        "spearman": float(spearmanr(cheap, trusted).statistic) if varied else None,
        "kendall": float(kendalltau(cheap, trusted).statistic) if varied else None,
        "subnets": len(specs),
        "mean_difference": float(np.mean(cheap) - np.mean(trusted)),
    }
