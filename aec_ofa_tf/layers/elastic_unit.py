"""The base layer of elastic units: it applies segments in order, or passes its input on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import (
    ElasticBatchNorm,
    Moments,
    replica_count,
    synchronise,
    zero_moments,
)
from aec_ofa_tf.layers.prefix import EXECUTIONS, MASKS, SLICES, keep_prefix
from aec_ofa_tf.pinned_keras import keras

Statistics = dict[str, Moments]
"""Batch-norm moments by name, each at full width."""


class Segment(NamedTuple):
    """A part of a unit that ends with a batch norm and a channelwise function.

    Attributes:
        name: name of the batch norm's moments, unique within the network.
        compute: function from the segment's input to the batch norm's input.
        norm: the batch norm; None, without one, only in units that every subnet has.
        finish: channelwise function from the normalised values to the output, for example ReLU.
        width: int32 scalar, the number of output channels at the choice.
    """

    name: str
    compute: Callable[[tf.Tensor], tf.Tensor]
    norm: ElasticBatchNorm | None
    finish: Callable[[tf.Tensor], tf.Tensor]
    width: tf.Tensor | int


class ElasticUnitLayer(keras.layers.Layer):
    """The weights of a unit; one trace computes its output at any choice.

    A subclass creates its layers and defines `norms` and `segments`. It may override `combine`
    and `post_process`.

    Args:
        channels_out: greatest number of output channels.
        is_optional: whether the unit can be absent (a choice of 0 channels) and pass its input on.
        execution: "slices" computes only what the choice needs; "masks" computes everything and
            sets the rest to 0, so that shapes are static.

    Raises:
        ValueError: the execution is unknown.
    """

    def __init__(
        self, channels_out: int, is_optional: bool = False, execution: str = SLICES, **kwargs
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if execution not in EXECUTIONS:
            raise ValueError(f"execution must be one of {EXECUTIONS}, received {execution!r}")
        self.channels_out = channels_out
        self.is_optional = is_optional
        self.execution = execution

    @property
    @abstractmethod
    def norms(self) -> dict[str, ElasticBatchNorm]:
        """The batch norms by segment name, in order."""

    @property
    def is_empty(self) -> bool:
        """Whether no subnet has the unit, so that it computes nothing."""
        return not self.norms

    @abstractmethod
    def segments(self, choice: Sequence[tf.Tensor | int]) -> Sequence[Segment]:
        """The segments at a choice, in order."""

    def combine(self, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Joins the unit's input with the last segment's output; a residual unit adds them."""
        return outputs

    def post_process(self, outputs: tf.Tensor) -> tf.Tensor:
        """A function of the output that is applied even if the unit is absent, such as a pool."""
        return outputs

    def call(
        self,
        inputs: tf.Tensor,
        choice: Sequence[tf.Tensor | int] | tf.Tensor,
        statistics: Mapping[str, Moments] | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Computes the unit at a choice.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full input; with masks,
                the full input, 0 beyond the prefix.
            choice: integers, or int32 [fields].
            statistics: moments by name, at least for the batch norms of this unit; by default
                those of the batch.

        Returns:
            The output [batch, frames, mel bins, channels], with masks all channels, in the compute
            dtype; and the moments used, zeros if the unit is absent.
        """
        if self.is_empty:
            return self.post_process(inputs), {}
        given = None if statistics is None else {name: statistics[name] for name in self.norms}
        outputs, moments = self._call(inputs, choice, given)
        return self.post_process(outputs), moments

    def _call(
        self,
        inputs: tf.Tensor,
        choice: Sequence[tf.Tensor | int] | tf.Tensor,
        given: Statistics | None,
    ) -> tuple[tf.Tensor, Statistics]:
        if not self.is_optional:
            return self._compute(inputs, choice, given)
        if given is None and replica_count() > 1:
            return self._compute_or_pass_synchronised(inputs, choice)

        def present() -> tuple[tf.Tensor, Statistics]:
            outputs, used = self._compute(inputs, choice, given)
            return self._fit(outputs), used

        absent = {name: self._no_moments(norm) for name, norm in self.norms.items()}
        return tf.cond(choice[0] > 0, present, lambda: (self._fit(inputs), absent))

    def _compute(
        self,
        inputs: tf.Tensor,
        choice: Sequence[tf.Tensor | int] | tf.Tensor,
        given: Statistics | None,
    ) -> tuple[tf.Tensor, Statistics]:
        x, moments = inputs, {}
        for segment in self.segments(choice):
            x = segment.compute(x)
            if segment.norm is not None:
                own = None if given is None else given[segment.name]
                x, used = segment.norm(x, moments=own)
                moments[segment.name] = self._keep_moments(used, segment.width)
            x = self._kept(segment, segment.finish(x))
        return self.combine(inputs, x), moments

    def _kept(self, segment: Segment, values: tf.Tensor) -> tf.Tensor:
        """The channels of the choice; with slices no others were computed."""
        if self.execution == SLICES:
            return values  # a slice of all channels is free, but its gradient is a copy
        return keep_prefix(values, segment.width, MASKS)

    def _compute_or_pass_synchronised(
        self, inputs: tf.Tensor, choice: Sequence[tf.Tensor | int] | tf.Tensor
    ) -> tuple[tf.Tensor, Statistics]:
        x, moments = inputs, {}
        segments = list(self.segments(choice))
        for segment in segments:
            last = segment is segments[-1]
            x, moments[segment.name] = self._synchronised(segment, x, inputs, choice[0] > 0, last)
        return x, moments

    def _synchronised(
        self, segment: Segment, x: tf.Tensor, inputs: tf.Tensor, present: tf.Tensor, last: bool
    ) -> tuple[tf.Tensor, Moments]:
        """A conditional must not contain a collective: one precedes the reduction, one follows."""
        norm, width = segment.norm, segment.width
        if norm is None:
            raise ValueError(f"{segment.name}: an optional unit needs a batch norm per segment")

        def computed() -> tuple[tf.Tensor, Moments]:
            outputs = segment.compute(x)
            return outputs, self._keep_moments(norm.local_moments(outputs), width)

        def nothing() -> tf.Tensor:
            if self.execution == SLICES:
                return inputs[..., :0]
            # Both branches need the same static shape, for the gradients too.
            return tf.zeros([*tf.unstack(tf.shape(inputs)[:3]), norm.channels], inputs.dtype)

        outputs, local = tf.cond(present, computed, lambda: (nothing(), self._no_moments(norm)))
        moments = synchronise(local)

        def finished() -> tf.Tensor:
            static = None if self.execution == SLICES else norm.channels
            shaped = tf.ensure_shape(outputs, [None, None, None, static])
            normed = segment.finish(norm.normalise(shaped, moments))
            values = self._kept(segment, normed)
            return self._fit(self.combine(inputs, values)) if last else values

        def skipped() -> tf.Tensor:
            return self._fit(inputs) if last else nothing()

        return tf.cond(present, finished, skipped), moments

    def _no_moments(self, norm: ElasticBatchNorm) -> Moments:
        return zero_moments(norm.channels, self.variable_dtype)

    def _keep_moments(self, moments: Moments, width: tf.Tensor | int) -> Moments:
        # With slices the batch norm has already padded them with 0.
        if self.execution == SLICES:
            return moments
        return Moments(*(keep_prefix(vector, width, self.execution) for vector in moments))

    def _fit(self, values: tf.Tensor) -> tf.Tensor:
        """With masks, pads or cuts the values to `channels_out` channels."""
        if self.execution == SLICES:
            return values
        missing = max(self.channels_out - values.shape[-1], 0)
        return tf.pad(values, [[0, 0]] * 3 + [[0, missing]])[..., : self.channels_out]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The output's shape at full width, for `summary`; the moments are left out."""
        return (None, None, None, self.channels_out)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"channels_out": self.channels_out, "is_optional": self.is_optional}
        return {**super().get_config(), **sizes, "execution": self.execution}
