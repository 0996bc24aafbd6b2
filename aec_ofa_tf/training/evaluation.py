"""Recalibration and evaluation of subnets inside their supernet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import SLICES
from aec_ofa_tf.metrics import Metrics
from aec_ofa_tf.models.checks import as_member, check_log_mel
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet

Batches = Iterable[Mapping[str, tf.Tensor]]
"""Batches of clean clips that can be iterated repeatedly: `log_mel`, and `labels` if needed."""


class SubnetEvaluator:
    """Evaluates any subnet of a supernet; one trace serves all subnets.

    `evaluate` always recalibrates a subnet's batch-norm statistics on clean training clips, since
    a subnet is wrong without statistics of its own (once-for-all).

    Everything is computed in float32, with slices and on one device, however the supernet trains.

    Args:
        supernet: the network; every evaluation uses its current weights.
        calibration: fixed clean training clips in fixed order and batch size; never validation
            or evaluation clips.

    Example:
        >>> evaluator = ofa.SubnetEvaluator(supernet, calibration)
        >>> evaluator.scores(space.smallest, evaluator.recalibrate(space.smallest), batches).shape
        (8, 3)
    """

    def __init__(self, supernet: Supernet, calibration: Batches) -> None:
        network = supernet.network
        self._trained = supernet
        self.supernet = supernet if _is_plain(supernet) else Supernet(supernet.space, network)
        self.calibration = calibration
        log_mel = tf.TensorSpec([None, network.frames, network.mel_bins], tf.float32)
        choices = tf.TensorSpec([len(supernet.units), supernet.fields], tf.int32)
        self.task = network.get_task()
        self._moments = tf.function(
            lambda log_mel, choices: self.supernet(log_mel, choices)[1],
            input_signature=[log_mel, choices],
            autograph=False,
        )
        self._scores = tf.function(self._compute_scores, autograph=False)

    def __repr__(self) -> str:
        return f"SubnetEvaluator({self._trained!r})"

    def _compute_scores(
        self, log_mel: tf.Tensor, choices: tf.Tensor, statistics: Statistics
    ) -> tf.Tensor:
        logits, _ = self.supernet(log_mel, choices, statistics)
        return self.task.scores(logits)

    def recalibrate(self, subnet: Subnet | str) -> Statistics:
        """The subnet's batch-norm statistics: means over batches of the biased batch moments.

        Every batch is normalised by its own moments, without dropout or augmentation, for every
        network that is compared (once-for-all; slimmable networks).

        Raises:
            ValueError: the subnet is not in the space, there are no calibration clips, or they
                have other frames or mel bins than the network.
        """
        choices = self._choices(subnet)
        self.update_weights()
        total, count = None, 0
        for batch in self.calibration:
            moments = self._moments(self._clips(batch), choices)
            total = moments if total is None else tf.nest.map_structure(tf.add, total, moments)
            count += 1
        if total is None:
            raise ValueError("batch norm cannot be recalibrated: there are no calibration clips")
        return tf.nest.map_structure(lambda vector: vector / count, total)

    def scores(self, subnet: Subnet | str, statistics: Statistics, batches: Batches) -> np.ndarray:
        """The scores of all clips, float32 [clips, classes], in the order of the batches.

        Raises:
            ValueError: the subnet is not in the space, there are no clips, or they have other
                frames or mel bins than the network.
        """
        choices = self._choices(subnet)
        self.update_weights()
        return np.concatenate(
            [self._scores(self._clips(batch), choices, statistics).numpy() for batch in batches]
        )

    def _choices(self, subnet: Subnet | str) -> tf.Tensor:
        return tf.constant(as_member(self.supernet.space, subnet).row(), tf.int32)

    def _clips(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        check_log_mel(batch["log_mel"], self.supernet.network)
        return tf.cast(batch["log_mel"], tf.float32)

    def update_weights(self) -> None:
        """Copies the current weights of the trained supernet; every evaluation calls this first."""
        if self.supernet is not self._trained:
            for target, source in zip(self.supernet.weights, self._trained.weights, strict=True):
                target.assign(source)

    def evaluate(self, subnet: Subnet | str, batches: Batches) -> Metrics:
        """Recalibrates a subnet and scores it on batches with `labels`."""
        scores = self.scores(subnet, self.recalibrate(subnet), batches)
        return self.task.metrics(scores, all_labels(batches))


def _is_plain(supernet: Supernet) -> bool:
    """Whether it computes in float32, with slices and on one device."""
    mirrored = isinstance(supernet.weights[0].value, tf.distribute.DistributedValues)
    return (supernet.compute_dtype, supernet.execution) == ("float32", SLICES) and not mirrored


def all_labels(batches: Batches) -> np.ndarray:
    """The labels of all batches, float32 [clips, classes]."""
    return np.concatenate([np.asarray(batch["labels"]) for batch in batches])
