"""Scores of many subnets from one walk of their prefix tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import Moments
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.models.image import as_image
from aec_ofa_tf.models.network import INPUT_NORM
from aec_ofa_tf.models.space import Choice, Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.prefix_tree import SharedUnit, groups, prefix_tree
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator

_Tree = tuple[SharedUnit, ...]
_Place = SharedUnit | str
"""A unit of the tree, or the input batch norm."""

_FLOAT_BYTES = 4


class TreeEvaluator:
    """Recalibrates and scores any set of subnets; common computations are done once.

    A subnet's batch-norm statistics are those of `SubnetEvaluator`: means of batch moments over
    calibration batches. The moments of a layer depend only on the layers before it. Therefore
    subnets with a common prefix share them, and one walk computes the statistics of all subnets.

    The tree is walked depth first for every batch. So memory holds only the activations of one
    path, and the scores of one group of subnets.

    Args:
        evaluator: the supernet, with its current weights, and the calibration clips.
        memory_bytes: bound on the scores of a group, in bytes.
        subnets_per_walk: greatest number of subnets in a group. Scores are complete only at the
            end of a walk; a kill loses them. Groups share no computation: at CNN10's width four
            groups of 32 take 7 % more multiply-adds than one of 128.
    """

    def __init__(
        self, evaluator: SubnetEvaluator, memory_bytes: int = 2**30, subnets_per_walk: int = 32
    ) -> None:
        self._evaluator = evaluator
        self._memory_bytes = memory_bytes
        self._subnets_per_walk = subnets_per_walk
        self._pieces = _Pieces(evaluator.supernet)

    def groups(self, subnets: Sequence[Subnet], clips: int) -> list[list[Subnet]]:
        """Splits subnets into groups, each for one walk over `clips` clips."""
        classes = self._evaluator.supernet.network.classes
        fitting = self._memory_bytes // max(1, clips * classes * _FLOAT_BYTES)
        return groups(subnets, min(fitting, self._subnets_per_walk))

    def scores(
        self,
        group: Sequence[Subnet],
        batches: Batches,
        statistics: Statistics | None = None,
        tick: Callable[[], object] = lambda: None,
    ) -> Iterator[tuple[Subnet, np.ndarray]]:
        """Scores every subnet of a group.

        Args:
            group: members of the supernet.
            batches: clean clips with `log_mel`.
            statistics: batch-norm statistics by layer name for all subnets, for evaluation without
                recalibration; by default each subnet's own.
            tick: called after every batch, calibration batches included.

        Yields:
            A subnet and its scores, float32 [clips, classes], in the order of the batches.

        Raises:
            ValueError: there are no calibration clips.
        """
        self._evaluator.update_weights()
        tree = prefix_tree(group, self._evaluator.supernet.units)
        look_up = self._calibrate(tree, tick) if statistics is None else lambda place: statistics
        parts: dict[Subnet, list[np.ndarray]] = defaultdict(list)
        for batch in batches:
            walk = _Walk(self._pieces, look_up)
            walk.run(tree, batch["log_mel"])
            for subnet, scores in walk.scores.items():
                parts[subnet].append(scores)
            tick()
        for subnet in list(parts):
            yield subnet, np.concatenate(parts.pop(subnet))

    def _calibrate(self, tree: _Tree, tick: Callable[[], object]) -> Callable[[_Place], Statistics]:
        totals: dict[_Place, Statistics] = {}
        count = 0
        for batch in self._evaluator.calibration:
            walk = _Walk(self._pieces, None)
            walk.run(tree, batch["log_mel"])
            for place, moments in walk.moments.items():
                before = totals.get(place)
                added = before and tf.nest.map_structure(tf.add, before, moments)
                totals[place] = added or moments
            count += 1
            tick()
        if not count:
            raise ValueError("batch norm cannot be recalibrated: there are no calibration clips")
        means = {
            place: tf.nest.map_structure(lambda vector: vector / count, total)
            for place, total in totals.items()
        }
        return means.__getitem__


class _Pieces:
    """The supernet's parts as `tf.function`s, each traced once for all choices and batches."""

    def __init__(self, supernet: Supernet) -> None:
        images = tf.TensorSpec([None, None, None, None], tf.float32)
        vector = tf.TensorSpec([None], tf.float32)
        log_mel = tf.TensorSpec([None, None, supernet.network.mel_bins], tf.float32)
        moments = Moments(vector, vector)
        task = supernet.network.get_task()
        self._fields, self._pool = supernet.fields, supernet.network.input_pool
        choice = tf.TensorSpec([self._fields], tf.int32)
        layers = supernet.unit_layers
        self._names = [tuple(layer.norms) for layer in layers]
        self.measured = [_traced(layer, images, choice) for layer in layers]
        self.given = [
            _traced(layer, images, choice, dict.fromkeys(names, moments))
            for layer, names in zip(layers, self._names, strict=True)
        ]
        self._normalise = _traced(supernet.normalise_input, log_mel)
        given = {} if supernet.network.input_scaling is not None else {INPUT_NORM: moments}
        self._normalise_by = _traced(supernet.normalise_input, log_mel, given)
        self.scores = _traced(lambda x: task.scores(supernet.head_layer(x)), images)

    def normalise(
        self, log_mel: tf.Tensor, given: Statistics | None
    ) -> tuple[tf.Tensor, Statistics]:
        """Applies the input batch norm with given moments or the batch's own."""
        log_mel = tf.cast(log_mel, tf.float32)
        if given is None:
            normed, moments = self._normalise(log_mel)
        else:
            wanted = {name: given[name] for name in given if name == INPUT_NORM}
            normed, moments = self._normalise_by(log_mel, wanted)
        return as_image(normed, self._pool), moments

    def apply(
        self, index: int, x: tf.Tensor, choice: Choice, given: Statistics | None
    ) -> tuple[tf.Tensor, Statistics]:
        """Applies a unit at a choice with given moments or the batch's own."""
        row = tf.constant([*choice, *[0] * (self._fields - len(choice))])
        if given is None:
            return self.measured[index](x, row)
        return self.given[index](x, row, {name: given[name] for name in self._names[index]})


class _Walk:
    """One batch through the tree, depth first.

    Args:
        pieces: the parts of the supernet.
        statistics_of: returns the batch-norm statistics of a unit of the tree; None to normalise
            by the batch's own moments and compute no scores.

    Attributes:
        moments: the moments used, by unit of the tree.
        scores: scores of the batch by subnet, float32 [clips, classes].
    """

    def __init__(
        self, pieces: _Pieces, statistics_of: Callable[[_Place], Statistics] | None
    ) -> None:
        self._pieces = pieces
        self._statistics_of = statistics_of
        self.moments: dict[_Place, Statistics] = {}
        self.scores: dict[Subnet, np.ndarray] = {}

    def run(self, tree: _Tree, log_mel: tf.Tensor) -> None:
        given = self._statistics_of(INPUT_NORM) if self._statistics_of else None
        image, self.moments[INPUT_NORM] = self._pieces.normalise(log_mel, given)
        for unit in tree:
            self._unit(unit, image)

    def _unit(self, unit: SharedUnit, inputs: tf.Tensor) -> None:
        given = self._statistics_of(unit) if self._statistics_of else None
        outputs, self.moments[unit] = self._pieces.apply(unit.index, inputs, unit.choice, given)
        for prefix in unit.prefixes:
            kept = outputs[..., : prefix.width] if prefix.width else outputs
            for below in prefix.below:
                self._unit(below, kept)
            if prefix.subnet is not None and self._statistics_of is not None:
                self.scores[prefix.subnet] = self._pieces.scores(kept).numpy()


def _traced(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    # None of them has control flow of Python over tensors, for which AutoGraph would look.
    return tf.function(function, input_signature=signature, autograph=False)
