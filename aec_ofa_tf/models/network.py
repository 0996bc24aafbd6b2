"""The static parts that all subnets of one supernet share. No TensorFlow here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from aec_ofa_tf.config import check_fields
from aec_ofa_tf.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Choice, Subnet
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape
from aec_ofa_tf.tasks import TASKS, Task, get_task

if TYPE_CHECKING:
    import keras


MEL_BINS = 64
INPUT_NORM = "input_norm"
"""Name of the batch norm over mel bins with which every network begins."""


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """The static parts of a network; a family adds fields and lists its units.

    Every network begins with a batch norm over mel bins and ends with its head.

    Attributes:
        family: name under which the configuration is registered, see `models.family`.
        classes: number of outputs.
        frames: time frames of the input log-mel.
        mel_bins: mel bins of the input log-mel.
        task: name of the task, see `aec_ofa_tf.tasks`.

    Raises:
        ValueError: a size is not positive, or the task is unknown.
    """

    family: ClassVar[str] = ""

    classes: int
    frames: int
    mel_bins: int = field(default=MEL_BINS, kw_only=True)
    task: str = field(default=TASKS[0], kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("classes", "frames", "mel_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        get_task(self.task)

    @abstractmethod
    def units(self, count: int) -> tuple[ElasticUnit, ...]:
        """The units of a network with `count` units.

        Raises:
            ValueError: the family has no networks with `count` units.
        """

    @abstractmethod
    def head(self) -> Head:
        """The head, which follows the units."""

    def get_task(self) -> Task:
        """The task: the meaning of the outputs."""
        return get_task(self.task)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes, by name, that a layer's latency depends on in addition to its row."""
        return {"frames": self.frames, "mel_bins": self.mel_bins, "classes": self.classes}

    @property
    def family_fields(self) -> dict[str, Any]:
        """The fields that the family adds to those of every network, by name."""
        common = {field.name for field in fields(NetworkConfig)}
        return {name: value for name, value in asdict(self).items() if name not in common}

    @property
    def image(self) -> Shape:
        """The shape of one normalised clip at the input of the first unit."""
        return self.frames, self.mel_bins, 1

    def rows(self, subnet: Subnet) -> list[LayerRow]:
        """The layers of a subnet as a device runs them, in order."""
        found = [_input_row(self.frames, self.mel_bins)]
        shape = self.image
        for unit, choice in zip(self.units(len(subnet.choices)), subnet.choices, strict=True):
            row, shape = _row_and_shape(unit, choice, shape)
            if row is not None:
                found.append(row)
        found.append(_head_row(self.head(), shape))
        return found

    def parts(self, subnet: Subnet, activation: str | None = None) -> Iterator[Part]:
        """The layers of a subnet as parts of a plain Keras model, in order.

        Args:
            subnet: the subnet.
            activation: Keras name of the activation from logits to scores; None for logits.

        Yields:
            The input batch norm, every unit and the head.
        """
        shape, head = self.image, self.head()
        image = partial(_normalised_image, shape=shape)
        yield Part(_input_row(*shape[:2]), shape[:2], image, is_first=True)
        for unit, choice in zip(self.units(len(subnet.choices)), subnet.choices, strict=True):
            row, after = _row_and_shape(unit, choice, shape)
            yield Part(row, shape, partial(unit.plain, choice=choice))
            shape = after
        plain = partial(head.plain, activation=activation)
        yield Part(_head_row(head, shape), shape, plain, is_last=True)


class Part(NamedTuple):
    """A unit at a choice, the input batch norm or the head, which can be built by itself.

    Attributes:
        row: its sizes; None if it computes nothing.
        shape: shape of its input, without the batch axis.
        plain: adds the part to a model of built-in Keras layers: symbolic input to output.
        is_first: whether its input is the network's input.
        is_last: whether its output is the network's output.
    """

    row: LayerRow | None
    shape: tuple[int, ...]
    plain: Callable[[keras.KerasTensor], keras.KerasTensor]
    is_first: bool = False
    is_last: bool = False

    def model(self) -> keras.Model:
        """The part as a standalone model, whose latency can be measured on a device."""
        from aec_ofa_tf.pinned_keras import keras

        inputs = keras.Input(self.shape)
        return keras.Model(inputs, self.plain(inputs))


def plain_batch_norm(name: str) -> keras.layers.Layer:
    """Keras' batch norm with PANNs' settings: the counterpart of `ElasticBatchNorm`."""
    from aec_ofa_tf.pinned_keras import keras

    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=name
    )


def _normalised_image(log_mel: keras.KerasTensor, shape: Shape) -> keras.KerasTensor:
    """Batch norm over mel bins; [clips, frames, mel bins] to [clips, frames, mel bins, 1]."""
    from aec_ofa_tf.pinned_keras import keras

    return keras.layers.Reshape(shape, name="image")(plain_batch_norm(INPUT_NORM)(log_mel))


@lru_cache
def _input_row(frames: int, mel_bins: int) -> LayerRow:
    scale = Operator(INPUT_NORM, activations=2 * frames * mel_bins, constants=2 * mel_bins)
    sizes = {"channels_in": 1, "channels_out": 1, "frames": frames, "mel_bins": mel_bins}
    return LayerRow.make("input", (scale,), pooled=False, **sizes)


@cache
def _row_and_shape(
    unit: ElasticUnit, choice: Choice, shape: Shape
) -> tuple[LayerRow | None, Shape]:
    """Cached, since the many subnets of a space consist of few distinct units."""
    return unit.row(choice, shape), unit.output_shape(choice, shape)


@lru_cache
def _head_row(head: Head, shape: Shape) -> LayerRow:
    return head.row(shape)
