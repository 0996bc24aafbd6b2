"""The Pareto front of cost and score. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


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
