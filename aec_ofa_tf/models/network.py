"""What all subnets of one supernet have in common. No TensorFlow here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from aec_ofa_tf.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Choice, Subnet
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape
from aec_ofa_tf.tasks import TASKS, Task, get_task

if TYPE_CHECKING:
    import keras


MEL_BINS = 64
INPUT_NORM = "input_norm"
"""Name of the batch norm over mel bins that every network begins with."""


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """The static parts of a network; a family adds its own and lists its units.

    Every network begins with a batch norm over mel bins and ends with its head.

    Attributes:
        family: name that the configuration is registered under, see `models.family`.
        classes: number of outputs.
        frames: time frames of the input log-mel.
        mel_bins: frequency bins of the input.
        task: name of what the outputs mean, see `aec_ofa_tf.tasks`.

    Raises:
        ValueError: a size is not positive, or there is no such task.
    """

    family: ClassVar[str] = ""

    classes: int
    frames: int
    mel_bins: int = field(default=MEL_BINS, kw_only=True)
    task: str = field(default=TASKS[0], kw_only=True)

    def __post_init__(self) -> None:
        for name in ("classes", "frames", "mel_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        get_task(self.task)

    @abstractmethod
    def units(self, count: int) -> tuple[ElasticUnit, ...]:
        """The units of a network of so many units.

        Raises:
            ValueError: the family has no networks of so many.
        """

    @abstractmethod
    def head(self) -> Head:
        """What follows the units."""

    def get_task(self) -> Task:
        """What the outputs mean."""
        return get_task(self.task)

    @property
    def sizes(self) -> dict[str, int]:
        """What the time of a layer depends on besides its row, by name."""
        return {"frames": self.frames, "mel_bins": self.mel_bins, "classes": self.classes}

    @property
    def family_fields(self) -> dict[str, Any]:
        """What the family adds to the fields of every network, by name."""
        common = {field.name for field in fields(NetworkConfig)}
        return {name: value for name, value in asdict(self).items() if name not in common}

    @property
    def image(self) -> Shape:
        """The shape in which a normalised clip enters the first unit."""
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
            activation: of the scores; None for logits.

        Yields:
            Parts; a unit that computes nothing has a row of None.
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
    """A unit at a choice, the input batch norm or the head, ready to be built by itself.

    Attributes:
        row: its sizes; None where it computes nothing.
        shape: of its input, without the axis of clips.
        plain: from a symbolic input to the output, of built-in Keras layers.
        is_first: whether it takes the network's input.
        is_last: whether it returns the network's scores.
    """

    row: LayerRow | None
    shape: tuple[int, ...]
    plain: Callable[[keras.KerasTensor], keras.KerasTensor]
    is_first: bool = False
    is_last: bool = False

    def model(self) -> keras.Model:
        """The part as a model of its own, which a device can be measured with."""
        from aec_ofa_tf.pinned_keras import keras

        inputs = keras.Input(self.shape)
        return keras.Model(inputs, self.plain(inputs))


def plain_batch_norm(name: str) -> keras.layers.Layer:
    """Keras' batch norm with PANNs' settings: the twin of `ElasticBatchNorm`."""
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
    """Cached, since the many subnets of a space are made of few different units."""
    return unit.row(choice, shape), unit.output_shape(choice, shape)


@lru_cache
def _head_row(head: Head, shape: Shape) -> LayerRow:
    return head.row(shape)
