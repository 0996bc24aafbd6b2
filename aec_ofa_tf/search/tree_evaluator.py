"""Scores of many subnets in one walk of the tree of their shared prefixes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from aec_ofa_tf.layers.moments import Moments
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Statistics, Supernet
from aec_ofa_tf.search.prefix_tree import Prefix, SharedLayer, groups, prefix_tree
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator

_INPUT_NORM = "input_norm"
_Place = SharedLayer | str
_FLOAT_BYTES = 4


class TreeEvaluator:
    """Calibrates and scores any set of subnets, what they share being computed once.

    A subnet's batch-norm statistics are those of `SubnetEvaluator`: means over calibration
    batches of the batch's own moments. Those of a layer depend on the layers before it alone, so
    that subnets with a common prefix have them in common too, and one walk yields them for all.

    The tree is walked depth first for every batch: at any moment the activations of one path are
    held, and the scores of one group of subnets.

    Args:
        evaluator: the supernet, followed as its weights change, and the calibration clips.
        memory_bytes: bound on the scores of a group.
        subnets_per_walk: bound on its subnets, whose scores are known only when their walk ends,
            and are lost when it is killed. Every group computes for itself what it shares: at
            CNN10's width four groups of 32 take 7 % more multiply-adds than one of 128.
    """

    def __init__(
        self, evaluator: SubnetEvaluator, memory_bytes: int = 2**30, subnets_per_walk: int = 32
    ) -> None:
        self._evaluator = evaluator
        self._memory_bytes = memory_bytes
        self._subnets_per_walk = subnets_per_walk
        self._pieces = _Pieces(evaluator.supernet)

    def groups(self, subnets: Sequence[Subnet], clips: int) -> list[list[Subnet]]:
        """The groups in which subnets are walked over so many clips."""
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
            statistics: batch-norm statistics by layer name that hold for all subnets alike,
                instead of each subnet's own: what evaluation without recalibration sees.
            tick: called after every batch that was walked, those for calibration included.

        Yields:
            A subnet and its sigmoid scores, float32 [clips, classes], in the order of the batches.

        Raises:
            ValueError: there are no calibration clips.
        """
        self._evaluator.follow()
        tree = prefix_tree(group)
        look_up = self._calibrate(tree, tick) if statistics is None else _by_name(statistics)
        parts: dict[Subnet, list[np.ndarray]] = defaultdict(list)
        for batch in batches:
            walk = _Walk(self._pieces, look_up)
            walk.run(tree, batch["log_mel"])
            for spec, scores in walk.scores.items():
                parts[spec].append(scores)
            tick()
        for spec in list(parts):
            yield spec, np.concatenate(parts.pop(spec))

    def _calibrate(
        self, tree: SharedLayer, tick: Callable[[], object]
    ) -> Callable[[_Place], Moments]:
        totals: dict[_Place, Moments] = {}
        count = 0
        for batch in self._evaluator.calibration:
            walk = _Walk(self._pieces, None)
            walk.run(tree, batch["log_mel"])
            for place, moments in walk.moments.items():
                before = totals.get(place)
                totals[place] = _added(before, moments) if before else moments
            count += 1
            tick()
        if not count:
            raise ValueError("batch norm cannot be recalibrated: there are no calibration clips")
        means = {place: Moments(*(v / count for v in total)) for place, total in totals.items()}
        return means.__getitem__


class _Pieces:
    """The supernet's parts as graphs, each traced once for all widths and batches."""

    def __init__(self, supernet: Supernet) -> None:
        images = tf.TensorSpec([None, None, None, None], tf.float32)
        width, vector = tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.float32)
        moments = Moments(vector, vector)
        log_mel = tf.TensorSpec([None, None, supernet.network.mel_bins], tf.float32)
        units = [unit for block in supernet.units for unit in block]
        self._measured = {u.name: tf.function(u, input_signature=[images, width]) for u in units}
        self._given = {
            u.name: tf.function(u, input_signature=[images, width, moments]) for u in units
        }
        self._measured[_INPUT_NORM] = tf.function(
            supernet.normalise_input, input_signature=[log_mel]
        )
        self._given[_INPUT_NORM] = tf.function(
            supernet.normalise_input, input_signature=[log_mel, moments]
        )
        self.end_block = [
            tf.function(
                lambda x, block=block: supernet.end_block(x, block), input_signature=[images]
            )
            for block in range(len(supernet.units))
        ]
        self.scores = tf.function(lambda x: tf.sigmoid(supernet.head(x)), input_signature=[images])

    def apply(
        self, name: str, moments: Moments | None, *inputs: tf.Tensor
    ) -> tuple[tf.Tensor, Moments]:
        """A layer by name, normalised by given moments or by the batch's own."""
        if moments is None:
            return self._measured[name](*inputs)
        return self._given[name](*inputs, moments)


class _Walk:
    """One batch through the tree, depth first.

    Args:
        pieces: of the supernet.
        moments_of: statistics of every layer of the tree; None to normalise by the batch's own
            and compute no scores.

    Attributes:
        moments: used, by layer of the tree.
        scores: float32 [clips, classes] by subnet.
    """

    def __init__(self, pieces: _Pieces, moments_of: Callable[[_Place], Moments] | None) -> None:
        self._pieces = pieces
        self._moments_of = moments_of
        self.moments: dict[_Place, Moments] = {}
        self.scores: dict[Subnet, np.ndarray] = {}

    def run(self, tree: SharedLayer, log_mel: tf.Tensor) -> None:
        normed = self._apply(_INPUT_NORM, _INPUT_NORM, tf.cast(log_mel, tf.float32))
        self._layer(tree, normed[..., None])

    def _apply(self, place: _Place, name: str, *inputs: tf.Tensor) -> tf.Tensor:
        given = self._moments_of(place) if self._moments_of else None
        outputs, self.moments[place] = self._pieces.apply(name, given, *inputs)
        return outputs

    def _layer(self, layer: SharedLayer, inputs: tf.Tensor) -> None:
        outputs = self._apply(layer, layer.name, inputs, tf.constant(layer.width))
        for prefix in layer.prefixes:
            self._prefix(layer.block, prefix, outputs[..., : prefix.width])

    def _prefix(self, block: int, prefix: Prefix, outputs: tf.Tensor) -> None:
        if prefix.deeper is not None:
            self._layer(prefix.deeper, outputs)
        if prefix.below is None and (prefix.subnet is None or self._moments_of is None):
            return
        pooled = self._pieces.end_block[block](outputs)
        if prefix.below is not None:
            self._layer(prefix.below, pooled)
        elif prefix.subnet is not None:
            self.scores[prefix.subnet] = self._pieces.scores(pooled).numpy()


def _added(one: Moments, other: Moments) -> Moments:
    return Moments(one.mean + other.mean, one.variance + other.variance)


def _by_name(statistics: Statistics) -> Callable[[_Place], Moments]:
    return lambda place: statistics[place if isinstance(place, str) else place.name]
