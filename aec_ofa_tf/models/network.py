"""The static parts that all subnets of one supernet share. No TensorFlow here."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from aec_ofa_tf.config import check_fields, used_fields
from aec_ofa_tf.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Choice, SearchSpace, Subnet
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape
from aec_ofa_tf.tasks import TASKS, Task, get_task

if TYPE_CHECKING:
    import keras

    from aec_ofa_tf.layers.elastic_unit import Statistics
    from aec_ofa_tf.models.supernet import Supernet


MEL_BINS = 64
INPUT_NORM = "input_norm"
"""Name of the batch norm over mel bins, or of the scaling, with which every network begins."""

INPUT_POOL = "input_pool"
"""Name of the average pool before the first unit."""

NO_POOL = (1, 1)


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

    def start_from(self, supernet: Supernet, model: keras.Model) -> Statistics:
        """Initialises a supernet of this network with a pretrained model's weights.

        Args:
            supernet: changed in place. A head for other classes keeps its weights.
            model: a plain model of the largest subnet, possibly of other classes; it is changed.

        Returns:
            The model's batch-norm statistics, in the order of the supernet's channels.

        Raises:
            ValueError: the model has other layers or widths.
        """
        from aec_ofa_tf.models.materialise import load_plain

        self.sort_channels(model)
        with_head = model.output_shape[-1] == self.classes
        return load_plain(supernet, model, with_head)

    def sort_channels(self, model: keras.Model) -> None:  # noqa: B027 - optional
        """Sorts elastic channels of a plain model of full size by importance, in place.

        The model's outputs stay the same. A family without a rule leaves the order as it is.
        """

    @abstractmethod
    def head(self) -> Head:
        """The head, which follows the units."""

    def get_task(self) -> Task:
        """The task: the meaning of the outputs."""
        return get_task(self.task)

    @property
    def input_scaling(self) -> tuple[float, float] | None:
        """Scale and offset of the input, log-mel in dB; None for a batch norm over mel bins."""
        return None

    @property
    def input_pool(self) -> tuple[int, int]:
        """Frames and mel bins of which the first unit gets the mean; (1, 1) for no pool."""
        return NO_POOL

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes, by name, that a layer's latency depends on in addition to its row."""
        return {"frames": self.frames, "mel_bins": self.mel_bins, "classes": self.classes}

    @property
    def family_fields(self) -> dict[str, Any]:
        """The fields that the family adds to those of every network, by name."""
        common = {field.name for field in fields(NetworkConfig)}
        return {name: value for name, value in used_fields(self).items() if name not in common}

    @property
    def image(self) -> Shape:
        """The shape of one normalised clip at the input of the first unit."""
        return self.image_of(self.frames)

    def image_of(self, frames: int) -> Shape:
        """The same for a clip of `frames`; frames and mel bins that fill no pool are dropped."""
        pool = self.input_pool
        return frames // pool[0], self.mel_bins // pool[1], 1

    def rows(self, subnet: Subnet) -> list[LayerRow]:
        """The layers of a subnet as a device runs them, in order."""
        found = [self._input_row]
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
        shape = self.image
        yield self.first_part()
        for unit, choice in zip(self.units(len(subnet.choices)), subnet.choices, strict=True):
            part, shape = _part_and_shape(unit, choice, shape)
            yield part
        yield self._last_part(shape, activation)

    def all_parts(self, space: SearchSpace, activation: str | None = None) -> Iterator[Part]:
        """The layers of all subnets of a space, which is not enumerated; some occur twice.

        Args:
            space: a space of this network's family.
            activation: as for `parts`.
        """
        units = iter(self.units(sum(space.stage_units)))
        shapes = {self.image}
        yield self.first_part()
        for options, count in zip(space.stages, space.stage_units, strict=True):
            stage, after = list(itertools.islice(units, count)), set()
            for option, before in itertools.product(options, shapes):
                shape = before
                for unit, choice in zip(stage, option.choices, strict=True):
                    part, shape = _part_and_shape(unit, choice, shape)
                    yield part
                after.add(shape)
            shapes = after
        yield from (self._last_part(shape, activation) for shape in sorted(shapes))

    @property
    def _input_row(self) -> LayerRow:
        is_norm = self.input_scaling is None
        return _input_row(self.frames, self.mel_bins, self.input_pool, is_norm)

    def first_part(self) -> Part:
        """The pool, if there is one, and the normalisation of the input."""
        image = partial(_normalised_image, scaling=self.input_scaling, pool=self.input_pool)
        return Part(self._input_row, (self.frames, self.mel_bins), image, is_first=True)

    def _last_part(self, shape: Shape, activation: str | None) -> Part:
        head = self.head()
        plain = partial(head.plain, activation=activation)
        return Part(_head_row(head, shape), shape, plain, is_last=True)


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


def plain_batch_norm(name: str, epsilon: float = BATCH_NORM_EPSILON) -> keras.layers.Layer:
    """Keras' batch norm, by default with PANNs' epsilon: the counterpart of `ElasticBatchNorm`."""
    from aec_ofa_tf.pinned_keras import keras

    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=name)


def _normalised_image(
    log_mel: keras.KerasTensor, scaling: tuple[float, float] | None, pool: tuple[int, int]
) -> keras.KerasTensor:
    """Scales the input; [clips, frames, mel bins] to [clips, frames, mel bins, 1].

    A pool comes before the scaling, with which it commutes, so that a device scales less.
    """
    from aec_ofa_tf.pinned_keras import keras

    norm = plain_batch_norm(INPUT_NORM)
    if scaling is not None:
        norm = keras.layers.Rescaling(*scaling, name=INPUT_NORM)
    image = keras.layers.Reshape((*log_mel.shape[1:], 1), name="image")
    if pool == NO_POOL:
        return image(norm(log_mel))
    pooled = keras.layers.AveragePooling2D(pool, name=INPUT_POOL)
    return norm(pooled(image(log_mel)))


@lru_cache
def _input_row(frames: int, mel_bins: int, pool: tuple[int, int], is_norm: bool) -> LayerRow:
    constants = 2 * mel_bins if is_norm else 0
    kept = (frames // pool[0]) * (mel_bins // pool[1])
    scale = Operator(INPUT_NORM, activations=2 * kept, constants=constants)
    sizes = {"channels_in": 1, "channels_out": 1, "frames": frames, "mel_bins": mel_bins}
    kind = "input" if is_norm else "scaled_input"
    if pool == NO_POOL:
        return LayerRow.make(kind, (scale,), pooled=False, **sizes)
    pooled = Operator(INPUT_POOL, activations=frames * mel_bins + kept)
    sizes |= {"pool_frames": pool[0], "pool_mel_bins": pool[1]}
    return LayerRow.make(kind, (pooled, scale), pooled=True, **sizes)


def _part_and_shape(unit: ElasticUnit, choice: Choice, shape: Shape) -> tuple[Part, Shape]:
    """A unit at a choice on an input, and the shape of its output."""
    row, after = _row_and_shape(unit, choice, shape)
    return Part(row, shape, partial(unit.plain, choice=choice)), after


@cache
def _row_and_shape(
    unit: ElasticUnit, choice: Choice, shape: Shape
) -> tuple[LayerRow | None, Shape]:
    """Cached, since the many subnets of a space consist of few distinct units."""
    return unit.row(choice, shape), unit.output_shape(choice, shape)


@lru_cache
def _head_row(head: Head, shape: Shape) -> LayerRow:
    return head.row(shape)
