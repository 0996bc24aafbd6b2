"""Seconds of a search and of validations, measured on a batch of noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aec_ofa_tf.costs.members import ListedMembers
from aec_ofa_tf.dataset import TRAIN, Dataset
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.windowed import windows_of

_REPEATED = 2


@dataclass(frozen=True)
class Clips:
    """The clips on which a subnet is scored.

    Attributes:
        batch_size: clips per batch.
        calibration: training clips for its statistics.
        validation: clips of the validation split.
    """

    batch_size: int
    calibration: int
    validation: int

    @property
    def batches(self) -> float:
        """Batches of all of them; at least one of each."""
        return max(self.calibration / self.batch_size, 1) + max(
            self.validation / self.batch_size, 1
        )


class ScoringRehearsal:
    """Scores subnets with random weights on two batches of noise: one calibrates, one is scored.

    Args:
        run: search space and network.
        data: noise in the shape of the data.
        clips: the clips of the real search.
    """

    def __init__(self, run: Run, data: Dataset, clips: Clips) -> None:
        self._run, self._clips = run, clips
        self._batches = list(data.evaluation_batches(TRAIN, clips.batch_size))[:1]
        supernet = Supernet(run.space, run.network)
        self._evaluator = SubnetEvaluator(supernet, self._batches)

    def validation_secs(self) -> float:
        """Seconds of a validation of the largest subnet."""
        largest = self._run.space.largest

        def score() -> None:
            statistics = self._evaluator.recalibrate(largest)
            self._evaluator.scores(largest, statistics, self._batches)

        return self._secs_of_all(_secs(score))

    def search_secs(self, config: SearchConfig) -> float:
        """Seconds of scoring every candidate: those of a group, for as many as there will be."""
        few, count = self._candidates(config)
        tree = TreeEvaluator(self._evaluator, subnets_per_walk=config.subnets_per_walk)
        rows = self._clips.validation * windows_of(self._run.records)
        group = tree.groups(few, rows)[0]
        secs = _secs(lambda: list(tree.scores(group, self._batches)))
        return self._secs_of_all(secs) * count / len(group)

    def _candidates(self, config: SearchConfig) -> tuple[Sequence[Subnet], int]:
        """Some candidates, and the greatest number of them."""
        run = self._run
        members = config.members(run.space, run.network, run.records.front_end).values()
        listed = {s for found in members if isinstance(found, ListedMembers) for s in found.subnets}
        drawn = {s for found in members for s in found.sample(config.subnets_per_walk, config.seed)}
        few = sorted(listed or drawn)
        if config.algorithm == "exhaustive" and listed:
            return few, len(listed) + 1  # the largest is scored too
        rounds = config.generations if config.algorithm == "evolutionary" else 1
        count = rounds * config.population * len(members)
        return sorted(drawn), min(count, run.space.size) + 1

    def _secs_of_all(self, secs: float) -> float:
        """From the seconds on two batches to those on all clips."""
        return secs * self._clips.batches / 2


def _secs(work: Callable[[], object]) -> float:
    """Seconds of some work, after a first time in which functions are traced."""
    work()
    began = time.monotonic()
    for _ in range(_REPEATED):
        work()
    return (time.monotonic() - began) / _REPEATED
