"""The subnets that no other beats in everything. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def pareto_front(points: Mapping[Key, tuple[float, float]]) -> list[Key]:
    """Those for which no other costs as little and scores as high, and better in one of the two.

    Args:
        points: (cost, score) by name.

    Returns:
        The names in order of cost, of which the score rises.
    """
    front: list[Key] = []
    best = float("-inf")
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if points[name][1] > best:
            front.append(name)
            best = points[name][1]
    return front
