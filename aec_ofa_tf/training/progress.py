"""What the loop collects of its steps between two summaries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.training.step_details import SIZES, StepDetails

Item = TypeVar("Item")


class StepValues(NamedTuple):
    """The numbers of one step, means over replicas.

    Attributes:
        loss: the loss.
        stop: 0 if no host received SIGTERM.
        gradient_norm: see `StepDetails`.
        losses: sums of losses by size class.
        subnets: numbers of subnets by size class.
    """

    loss: float
    stop: float
    gradient_norm: float
    losses: tuple[float, ...]
    subnets: tuple[float, ...]

    @classmethod
    def of(cls, vector: np.ndarray) -> StepValues:
        """From what `values_of` computes."""
        loss, stop, norm, *sizes = vector.tolist()
        return cls(loss, stop, norm, tuple(sizes[: len(SIZES)]), tuple(sizes[len(SIZES) :]))


def values_of(details: StepDetails, loss: tf.Tensor, stop: tf.Tensor, space: SearchSpace):
    """The numbers of `StepValues` as one vector, float32: one reduction serves all of them.

    Args:
        details: of the step.
        loss: float32 scalar, the loss as the loop checks it.
        stop: bool scalar, whether to stop.
        space: the space of the subnets.
    """
    first = tf.stack([loss, tf.cast(stop, tf.float32), details.gradient_norm])
    return tf.concat([first, tf.reshape(details.by_size(space), [-1])], axis=0)


class Progress:
    """Collects losses, gradient norms and times since the last summary.

    Args:
        batch_size: clips per step, over all replicas.
        by_size: whether losses are reported by size class, which one subnet alone has not.
    """

    def __init__(self, batch_size: int, by_size: bool) -> None:
        self._batch_size = batch_size
        self._by_size = by_size
        self.restart()

    def restart(self) -> None:
        """Forgets everything, as after a validation, whose time is no step's."""
        self._began, self._waited = time.monotonic(), 0.0
        self._steps: list[StepValues] = []

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches; the time until each is there counts as waiting for input."""
        iterator = iter(batches)
        while True:
            began = time.monotonic()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._waited += time.monotonic() - began
            yield batch

    def add(self, values: StepValues) -> None:
        """Counts a step."""
        self._steps.append(values)

    def scalars(self) -> dict[str, float]:
        """Means over the steps since the last call, by their names in TensorBoard."""
        seconds = time.monotonic() - self._began
        losses = np.sum([step.losses for step in self._steps], axis=0)
        counts = np.sum([step.subnets for step in self._steps], axis=0)
        norms = [step.gradient_norm for step in self._steps]
        finite = [norm for norm in norms if np.isfinite(norm)]  # loss scaling tries what overflows
        scalars = {
            "loss/mean": losses.sum() / counts.sum(),
            "speed/clips_per_second": len(self._steps) * self._batch_size / seconds,
            "speed/input_share": self._waited / seconds,
        }
        if self._by_size:
            sums = zip(SIZES, losses, counts, strict=True)
            scalars |= {f"loss/{name}": loss / count for name, loss, count in sums if count}
        if finite:
            scalars["optimizer/gradient_norm"] = np.mean(finite)
        self.restart()
        return {name: float(value) for name, value in scalars.items()}
