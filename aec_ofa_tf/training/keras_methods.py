"""Keras' methods and forms of batches, limited to what a supernet's train step supports."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from aec_ofa_tf.models.checks import check_log_mel
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.pinned_keras import keras

_NO_WEIGHTS = (
    "Trainer has no weights of clips: weigh classes with StepConfig(class_weights=...), and leave "
    "out sample_weight and class_weight"
)
_NOT_SAVED = (
    "a Trainer cannot be saved whole, since its sampler is a function: save the network "
    "(trainer.supernet.save) or the weights (trainer.save_weights, or ModelCheckpoint with "
    "save_weights_only=True)"
)


class KerasMethods(keras.Model):
    """A Keras model that refuses losses, weights of clips, and whole-model files."""

    def compile(
        self, optimizer: object = "rmsprop", loss: object = None, *args: object, **kwargs: object
    ) -> None:
        """As `keras.Model.compile`.

        Raises:
            ValueError: a loss or weighted metrics are given.
        """
        if loss is not None or kwargs.get("loss_weights") or kwargs.get("weighted_metrics"):
            raise ValueError(
                "the loss of a Trainer is that of the network's task: leave out loss, loss_weights "
                "and weighted_metrics, and give metrics"
            )
        super().compile(optimizer, None, *args, **kwargs)

    def fit(self, *args: object, **kwargs: object) -> keras.callbacks.History:
        """As `keras.Model.fit`.

        Raises:
            ValueError: there are weights of clips or classes, or a callback saves whole models.
        """
        _refuse_weights(kwargs)
        if any(_saves_models(callback) for callback in tf.nest.flatten(kwargs.get("callbacks"))):
            raise ValueError(_NOT_SAVED)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args: object, **kwargs: object) -> object:
        """As `keras.Model.evaluate`; refuses weights of clips."""
        _refuse_weights(kwargs)
        return super().evaluate(*args, **kwargs)

    def train_on_batch(self, *args: object, **kwargs: object) -> object:
        """As `keras.Model.train_on_batch`; refuses weights of clips and classes."""
        _refuse_weights(kwargs)
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args: object, **kwargs: object) -> object:
        """As `keras.Model.test_on_batch`; refuses weights of clips."""
        _refuse_weights(kwargs)
        return super().test_on_batch(*args, **kwargs)

    def get_config(self) -> dict[str, object]:
        """Raises NotImplementedError: a trainer holds functions, which no file can."""
        raise NotImplementedError(_NOT_SAVED)


def _saves_models(callback: object) -> bool:
    if not isinstance(callback, keras.callbacks.ModelCheckpoint):
        return False
    return not callback.save_weights_only


def _refuse_weights(arguments: Mapping[str, object]) -> None:
    """Checks the keyword arguments of a method of Keras.

    Raises:
        ValueError: there are weights of clips or classes.
    """
    if any(arguments.get(name) is not None for name in ("sample_weight", "class_weight")):
        raise ValueError(_NO_WEIGHTS)


def as_batch(
    data: object, network: NetworkConfig, any_frames: bool = False
) -> dict[str, tf.Tensor]:
    """A batch as a dict.

    Args:
        data: a dict with `log_mel` and other entries; log-mel; or (x, y), where x is either of the
            two and y becomes the entry `labels`.
        network: the network, whose sizes the entries must have.
        any_frames: whether clips may have any number of frames, because they are cropped.

    Raises:
        ValueError: there are sample weights, there is no log-mel, or an entry has another shape.
    """
    clips, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ValueError(_NO_WEIGHTS)
    batch = dict(clips) if isinstance(clips, Mapping) else {"log_mel": clips}
    if labels is not None:
        batch["labels"] = tf.cast(labels, tf.float32)
    check_log_mel(entry(batch, "log_mel"), network, any_frames)
    for name in {"labels", "soft_labels"} & batch.keys():
        shape = tf.TensorShape(batch[name].shape)
        if not shape.is_compatible_with([None, network.classes]):
            raise ValueError(
                f"{name} are [clips, {network.classes}], a value in [0, 1] for every class, "
                f"received {shape}"
            )
    return batch


def entry(batch: Mapping[str, tf.Tensor], name: str, needed_for: str = "every step") -> tf.Tensor:
    """An entry of a batch.

    Raises:
        ValueError: it is missing.
    """
    if name not in batch:
        raise ValueError(
            f"the batch has no {name!r}, needed for {needed_for}; it has {sorted(batch)}"
        )
    return batch[name]
