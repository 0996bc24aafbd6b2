"""The subnets of a space that meet a budget: a list, or draws from a space too large to list.

No TensorFlow here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aec_ofa_tf.costs.budget import Budget, unsatisfiable
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.models.space import SearchSpace, Subnet

if TYPE_CHECKING:
    from aec_ofa_tf.audio.front_end import FrontEndConfig
    from aec_ofa_tf.costs.latency import LatencyTable
    from aec_ofa_tf.costs.npu import NpuTable
    from aec_ofa_tf.models.network import NetworkConfig

LISTED = 200_000
"""Spaces of more subnets are not listed."""

_STARTS = 20
Cost = Callable[[Subnet], Mapping[str, float]]
"""From a subnet to at least the costs that the budget bounds."""


class Members(ABC):
    """The subnets of a space that meet a budget.

    Args:
        budget: the budget.
        cost: the costs of a subnet.
    """

    def __init__(self, budget: Budget, cost: Cost) -> None:
        self.budget = budget
        self._cost = cost

    def excess(self, subnet: Subnet) -> float:
        """Distance of a subnet from the budget, see `Budget.excess`; 0 within it."""
        return self.budget.excess(self._cost(subnet))

    def __contains__(self, subnet: Subnet) -> bool:
        return self.excess(subnet) == 0.0

    @property
    def count(self) -> int | None:
        """The number of members; None if it is not known."""
        return None

    @abstractmethod
    def left(self, taken: Collection[Subnet]) -> float:
        """The number of members that are not taken; infinity if it is not known."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, taken: Collection[Subnet]) -> Subnet | None:
        """A random member that is not taken; None if there is none, or none was found."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> list[Subnet]:
        """Up to `count` random members, in order."""


def members_within(
    space: SearchSpace,
    budgets: Sequence[Budget],
    network: NetworkConfig,
    latency: LatencyTable | None = None,
    front_end: FrontEndConfig | None = None,
    npu: NpuTable | None = None,
) -> dict[Budget, Members]:
    """The subnets of a space that meet each budget.

    Args:
        space: the subnets.
        budgets: the budgets.
        network: what the subnets have in common.
        latency: a device's latency table, for bounds on `latency_ms`.
        front_end: for bounds on files with waveform input.
        npu: layers on NPUs, for bounds on costs there.

    Raises:
        UnsatisfiableBudgetError: no subnet meets a budget; the message names the nearest.
        ValueError: as `Budget.members`.
    """
    subnets = space.subnets() if space.size <= LISTED else None
    found: dict[Budget, Members] = {}
    for budget in budgets:
        cost = partial(
            subnet_costs,
            network=network,
            latency=latency,
            metrics=budget.metrics,
            front_end=front_end,
            npu=npu,
        )
        found[budget] = (
            DrawnMembers(budget, cost, space)
            if subnets is None
            else ListedMembers(
                budget, cost, budget.members(subnets, network, latency, front_end, npu)
            )
        )
    return found


class ListedMembers(Members):
    """All members of a space, which are drawn with equal probability.

    Args:
        budget: the budget.
        cost: the costs of a subnet.
        subnets: the members.
    """

    def __init__(self, budget: Budget, cost: Cost, subnets: Sequence[Subnet]) -> None:
        super().__init__(budget, cost)
        self.subnets = sorted(subnets)
        self._set = frozenset(subnets)

    def __contains__(self, subnet: Subnet) -> bool:
        return subnet in self._set

    @property
    def count(self) -> int:
        """The number of members."""
        return len(self.subnets)

    def left(self, taken: Collection[Subnet]) -> int:
        """The number of members that are not taken."""
        return len(self._set.difference(taken))

    def draw(self, generator: np.random.Generator, taken: Collection[Subnet]) -> Subnet | None:
        """A random member that is not taken; None if there is none."""
        free = [subnet for subnet in self.subnets if subnet not in taken]
        return free[generator.integers(len(free))] if free else None

    def sample(self, count: int, seed: int) -> list[Subnet]:
        """A uniform sample without replacement (paper section 2.4)."""
        count = min(count, len(self.subnets))
        chosen = np.random.default_rng(seed).choice(len(self.subnets), count, replace=False)
        return [self.subnets[index] for index in sorted(chosen)]


class DrawnMembers(Members):
    """Members of a space that is too large to be listed.

    A subnet is drawn from the whole space with equal probabilities. While it violates the budget,
    one stage is changed: the first change, in random order, that brings it nearer. So most draws
    are only just within the budget, where the best subnets are.

    Args:
        budget: the budget.
        cost: the costs of a subnet.
        space: the space.

    Raises:
        UnsatisfiableBudgetError: no draw meets the budget; the message names the nearest.
    """

    def __init__(self, budget: Budget, cost: Cost, space: SearchSpace) -> None:
        super().__init__(budget, cost)
        self._space = space
        if self.draw(np.random.default_rng(0), ()) is None:
            nearest = set(self._descents(np.random.default_rng(0)))
            raise unsatisfiable(budget, {subnet: cost(subnet) for subnet in nearest})

    def left(self, taken: Collection[Subnet]) -> float:
        """Infinity: not known."""
        return math.inf

    def draw(self, generator: np.random.Generator, taken: Collection[Subnet]) -> Subnet | None:
        """A random member that is not taken; None if none was found."""
        found = (end for end in self._descents(generator) if end in self and end not in taken)
        return next(found, None)

    def sample(self, count: int, seed: int) -> list[Subnet]:
        """Random members without repetitions."""
        generator, found = np.random.default_rng(seed), set[Subnet]()
        while len(found) < count:
            drawn = self.draw(generator, found)
            if drawn is None:
                break
            found.add(drawn)
        return sorted(found)

    def _descents(self, generator: np.random.Generator) -> Iterator[Subnet]:
        """Where the walks from random subnets end: within the budget, or near it."""
        sizes = [len(options) for options in self._space.stages]
        for _ in range(_STARTS):
            yield self._descent([int(generator.integers(size)) for size in sizes], generator)

    def _descent(self, digits: list[int], generator: np.random.Generator) -> Subnet:
        subnet = self._build(digits)
        outside = self.excess(subnet)
        changes = [
            (stage, option)
            for stage, options in enumerate(self._space.stages)
            for option in range(len(options))
        ]
        while outside > 0.0:
            for index in generator.permutation(len(changes)):
                stage, option = changes[index]
                tried = [*digits[:stage], option, *digits[stage + 1 :]]
                candidate = self._build(tried)
                nearer = self.excess(candidate)
                if nearer < outside:
                    digits, subnet, outside = tried, candidate, nearer
                    break
            else:
                break  # no change brings it nearer
        return subnet

    def _build(self, digits: Sequence[int]) -> Subnet:
        stages = self._space.stages
        return self._space.build([o[digit] for o, digit in zip(stages, digits, strict=True)])
