"""Metrics of subnets on the splits of an experiment, kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from aec_ofa_tf.files import fingerprint
from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Statistics, Supernet
from aec_ofa_tf.search.bootstrap import bootstrap_interval
from aec_ofa_tf.search.store import EvaluationStore, SubnetMetrics
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import Batches, all_labels
from pipelines.experiment import Experiment
from pipelines.stages.models import model_fingerprint
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION

FLAGS = flags.FLAGS
FEWER_CLIPS = 4
"""The proxy with fewer validation clips sees one in so many."""

_MEMORY_SHARES = 4
"""The calibration clips, those of two splits, and the scores of a walk."""


@dataclass(frozen=True)
class Split:
    """A split to score subnets on.

    Attributes:
        batches: its clean clips.
        labels: {0, 1} [clips, classes].
        store: what has been scored.
    """

    batches: Batches
    labels: np.ndarray
    store: EvaluationStore


class SearchEvaluation:
    """Scores subnets by walks of the prefix tree, each subnet once per split and supernet.

    Args:
        experiment: records, calibration clips and where results are kept.
        supernet: the trained supernet.
    """

    def __init__(self, experiment: Experiment, supernet: Supernet) -> None:
        self.key = fingerprint(
            {
                "weights": model_fingerprint(supernet),
                "records": experiment.records.fingerprint,
                "calibration_clips": experiment.calibration_clips,
                "batch_size": experiment.batch_size,
            }
        )
        share = FLAGS.search_memory_mib * 2**20 // _MEMORY_SHARES
        self._experiment = replace(experiment, held_bytes=share)
        self._evaluator = self._experiment.evaluator(supernet)
        self._tree = TreeEvaluator(self._evaluator, share, FLAGS.subnets_per_walk)
        self.splits = {
            name: self._open(name)
            for name in (VALIDATION, EVALUATION)
            if experiment.records.clips(name)
        }

    def validation(self, subnets: Sequence[Subnet]) -> Mapping[Subnet, SubnetMetrics]:
        """Validation metrics of every subnet."""
        return self.metrics(VALIDATION, subnets)

    def known_of(
        self,
        subnets: Iterable[Subnet],
        found: Iterable[Mapping[Subnet, SubnetMetrics]],
    ) -> dict[Subnet, SubnetMetrics]:
        """Validation metrics of all those subnets that were ever evaluated.

        Args:
            subnets: of which to tell.
            found: what searches have found; those of others that share a storage are kept.
        """
        store = self.splits[VALIDATION].store
        for spec, metrics in (pair for search in found for pair in search.items()):
            if spec not in store.known:
                store.add(spec, metrics)
        return {spec: store.known[spec] for spec in subnets if spec in store.known}

    def metrics(self, split: str, subnets: Sequence[Subnet]) -> Mapping[Subnet, SubnetMetrics]:
        """Metrics of every subnet on a split; on the evaluation split with `interval`.

        `mAP_fewer_clips` is the mAP on one validation clip in four.
        """
        known = self.splits[split].store.known
        missing = [spec for spec in subnets if spec not in known]
        for spec, scores in self._scores(split, missing):
            self.splits[split].store.add(spec, self._measure(split, scores))
        return {spec: known[spec] for spec in subnets}

    def without_recalibration(self, subnets: Sequence[Subnet]) -> dict[Subnet, float]:
        """Validation mAP where every subnet takes over the largest subnet's statistics."""
        statistics = self._evaluator.recalibrate(self._experiment.space.largest)
        labels = self.splits[VALIDATION].labels
        return {
            spec: evaluate_scores(scores, labels).mAP
            for spec, scores in self._scores(VALIDATION, subnets, statistics)
        }

    def _open(self, name: str) -> Split:
        batches = self._experiment.split(name)
        path = self._experiment.workdir.path / "search" / f"{name}.jsonl"
        draws = {"resamples": FLAGS.bootstrap_resamples, "seed": FLAGS.seed}
        key = fingerprint({"key": self.key, **draws}) if name == EVALUATION else self.key
        return Split(batches, all_labels(batches), EvaluationStore(path, key, self._experiment.space))

    def _scores(self, split: str, subnets: Sequence[Subnet], statistics: Statistics | None = None):
        """Every subnet's scores as they come, behind a progress bar of batches."""
        if not subnets:
            return
        clips, batch = len(self.splits[split].labels), self._experiment.batch_size
        groups = self._tree.groups(subnets, clips)
        batches = -(-clips // batch)
        if statistics is None:
            available = self._experiment.records.clips(TRAIN)
            batches += max(1, min(self._experiment.calibration_clips, available) // batch)
        name = f"{len(subnets)} subnets, {split}"
        with tqdm(desc=name, total=len(groups) * batches, unit="batch") as bar:
            for group in groups:
                yield from self._tree.scores(
                    group, self.splits[split].batches, statistics, bar.update
                )

    def _measure(self, split: str, scores: np.ndarray) -> dict[str, Any]:
        labels = self.splits[split].labels
        metrics = evaluate_scores(scores, labels).as_dict()
        if split == EVALUATION:
            interval = bootstrap_interval(
                scores, labels, metrics["mAP"], FLAGS.bootstrap_resamples, FLAGS.seed
            )
            return {**metrics, "interval": list(interval)}
        fewer = slice(None, None, FEWER_CLIPS)
        return {**metrics, "mAP_fewer_clips": _mean_average_precision(scores[fewer], labels[fewer])}


def _mean_average_precision(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """None where no class can be scored on so few clips."""
    positives = labels.sum(axis=0)
    if not ((positives > 0) & (positives < len(labels))).any():
        return None
    return evaluate_scores(scores, labels).mAP
