"""Random candidates, drawn by construction (paper section 2.4). No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aec_ofa_tf.spec import SubnetSpec


def random_candidates(
    members: Sequence[SubnetSpec], population: int, seed: int
) -> list[SubnetSpec]:
    """Draws without replacement from the subnets that meet a budget.

    Since the members are known beforehand nothing is ever rejected; where there are fewer than
    `population`, all are taken.

    Args:
        members: the subnets that meet the budget.
        population: how many candidates are wanted (the paper's p).
        seed: of the draw.

    Returns:
        Distinct candidates in the order of the specs.

    Raises:
        ValueError: the population is not positive.
    """
    if population < 1:
        raise ValueError(f"the population must be positive, received {population}")
    ordered = sorted(members)
    count = min(population, len(ordered))
    chosen = np.random.default_rng(seed).choice(len(ordered), count, replace=False)
    return [ordered[index] for index in sorted(chosen)]
