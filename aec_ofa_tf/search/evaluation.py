"""Metrics of subnets on the splits of an experiment, kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.dataset import EVALUATION, TRAIN, VALIDATION
from aec_ofa_tf.files import fingerprint
from aec_ofa_tf.metrics import defined_classes
from aec_ofa_tf.models.keras_files import model_fingerprint
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.models.supernet import Statistics, Supernet
from aec_ofa_tf.reporting.sessions import Scored
from aec_ofa_tf.search.bootstrap import bootstrap_interval
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.store import EvaluationStore, SubnetMetrics
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.evaluation import Batches
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.windowed import windows_of

FEWER_CLIPS = 4
"""The proxy with fewer validation clips uses one clip in four."""

_MEMORY_SHARES = 4
"""Memory is shared by calibration clips, the clips of two splits, and the scores of a walk."""


@dataclass(frozen=True)
class Split:
    """A split on which subnets are scored.

    Attributes:
        batches: its clean clips.
        labels: {0, 1} float32 [clips, classes].
        store: the metrics of scored subnets.
    """

    batches: Batches
    labels: np.ndarray
    store: EvaluationStore


class SearchEvaluation:
    """Scores subnets in walks of the prefix tree, each subnet once per split and supernet.

    Args:
        run: data and run directory.
        config: configuration of the search.
        supernet: the trained supernet.
    """

    def __init__(self, run: Run, config: SearchConfig, supernet: Supernet) -> None:
        self._run, self._config, self._sizes = run, config, run.sizes(config.evaluation)
        self.key = fingerprint(
            {
                "weights": model_fingerprint(supernet),
                "records": run.records.fingerprint,
                "calibration_clips": self._sizes.calibration_clips,
                "batch_size": self._sizes.batch_size,
            }
        )
        self._cache_bytes = config.search_memory_mib * 2**20 // _MEMORY_SHARES
        self._evaluator = run.evaluator(supernet, self._sizes, self._cache_bytes)
        self._tree = TreeEvaluator(self._evaluator, self._cache_bytes, config.subnets_per_walk)
        self.splits = {
            name: self._open(name) for name in (VALIDATION, EVALUATION) if run.records.clips(name)
        }

    def validation(self, subnets: Sequence[Subnet]) -> Mapping[Subnet, SubnetMetrics]:
        """Validation metrics of every subnet."""
        return self.metrics(VALIDATION, subnets)

    def known_of(
        self,
        space: SearchSpace,
        found: Iterable[Mapping[Subnet, SubnetMetrics]],
    ) -> dict[Subnet, SubnetMetrics]:
        """Validation metrics of the subnets of a space that were ever evaluated, in order.

        Args:
            space: the space.
            found: results of searches; those by other searchers are added to the store.
        """
        store = self.splits[VALIDATION].store
        for subnet, metrics in (pair for search in found for pair in search.items()):
            if subnet not in store.known:
                store.add(subnet, metrics)
        return {subnet: store.known[subnet] for subnet in sorted(store.known) if subnet in space}

    def metrics(self, split: str, subnets: Sequence[Subnet]) -> Mapping[Subnet, SubnetMetrics]:
        """Metrics of every subnet on a split.

        Those of the evaluation split include `interval`; those of the validation split include
        `mAP_fewer_clips` and the like, from one clip in four.
        """
        known = self.splits[split].store.known
        missing = [subnet for subnet in subnets if subnet not in known]
        for subnet, scores in self._scores(split, missing):
            self.splits[split].store.add(subnet, self._measure(split, scores))
        return {subnet: known[subnet] for subnet in subnets}

    def scored(self, subnets: Sequence[Subnet]) -> Scored:
        """Validation scores of a few subnets, which are not kept on disk."""
        names, labels = self._run.records.labels, self.splits[VALIDATION].labels
        return Scored(dict(self._scores(VALIDATION, subnets)), labels, names)

    def without_recalibration(self, subnets: Sequence[Subnet]) -> dict[Subnet, float]:
        """The validation figure of every subnet with the largest subnet's statistics."""
        statistics = self._evaluator.recalibrate(self._run.space.largest)
        labels, task = self.splits[VALIDATION].labels, self._run.task
        return {
            subnet: task.figure_of(task.metrics(scores, labels))
            for subnet, scores in self._scores(VALIDATION, subnets, statistics)
        }

    def _open(self, name: str) -> Split:
        batches = self._run.batches(name, self._sizes.batch_size, cache_bytes=self._cache_bytes)
        path = self._run.workdir.path / "search" / f"{name}.jsonl"
        draws = {"resamples": self._config.bootstrap_resamples, "seed": self._config.seed}
        key = fingerprint({"key": self.key, **draws}) if name == EVALUATION else self.key
        return Split(
            batches, self._run.clip_labels(batches), EvaluationStore(path, key, self._run.space)
        )

    def _scores(self, split: str, subnets: Sequence[Subnet], statistics: Statistics | None = None):
        """Yields every subnet and its scores, with a progress bar of batches."""
        if not subnets:
            return
        clips, batch = len(self.splits[split].labels), self._sizes.batch_size
        groups = self._tree.groups(subnets, clips * windows_of(self._run.records))
        count = -(-clips // batch)
        if statistics is None:
            available = self._run.records.clips(TRAIN)
            count += max(1, min(self._sizes.calibration_clips, available) // batch)
        name = f"{len(subnets)} subnets, {split}"
        with progress(desc=name, total=len(groups) * count, unit="batch") as bar:
            for group in groups:
                batches = self.splits[split].batches
                for subnet, rows in self._tree.scores(group, batches, statistics, bar.update):
                    yield subnet, self._run.clip_scores(rows)

    def _measure(self, split: str, scores: np.ndarray) -> dict[str, object]:
        labels, task, config = self.splits[split].labels, self._run.task, self._config
        metrics = task.metrics(scores, labels)
        if split == EVALUATION:
            draws = config.bootstrap_resamples, config.seed
            value = task.figure_of(metrics)
            interval = bootstrap_interval(scores, labels, value, *draws, figure=task.figure)
            return {**metrics.as_dict(), "interval": list(interval)}
        return {**metrics.as_dict(), **self._on_fewer_clips(scores, labels)}

    def _on_fewer_clips(self, scores: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
        """`mAP_fewer_clips` and the like; None if no class can be scored on so few clips."""
        task, fewer = self._run.task, slice(None, None, FEWER_CLIPS)
        names = dict.fromkeys(("mAP", task.figure))
        if not (task.single_label or defined_classes(labels[fewer]).any()):
            return {f"{name}_fewer_clips": None for name in names}
        metrics = task.metrics(scores[fewer], labels[fewer])
        return {f"{name}_fewer_clips": getattr(metrics, name) for name in names}
