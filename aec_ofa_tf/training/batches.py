"""Batches in the forms that Keras has: a dict, or log-mel and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from aec_ofa_tf.models.checks import check_log_mel
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.pinned_keras import keras

NO_WEIGHTS = (
    "Trainer has no weights of clips: weigh classes with StepConfig(class_weights=...), and leave "
    "out sample_weight and class_weight"
)


def as_batch(data: Any, network: NetworkConfig) -> dict[str, Any]:
    """A batch as a dict.

    Args:
        data: a dict with `log_mel` and other entries; log-mel; or (x, y), where x is either of the
            two and y becomes the entry `labels`.
        network: the network, whose sizes the entries must have.

    Raises:
        ValueError: there are sample weights, there is no log-mel, or an entry has another shape.
    """
    clips, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ValueError(NO_WEIGHTS)
    batch = dict(clips) if isinstance(clips, Mapping) else {"log_mel": clips}
    if labels is not None:
        batch["labels"] = tf.cast(labels, tf.float32)
    check_log_mel(entry(batch, "log_mel"), network)
    for name in {"labels", "soft_labels"} & batch.keys():
        shape = tf.TensorShape(batch[name].shape)
        if not shape.is_compatible_with([None, network.classes]):
            raise ValueError(
                f"{name} are [clips, {network.classes}], a value in [0, 1] for every class, "
                f"received {shape}"
            )
    return batch


def entry(batch: Mapping[str, Any], name: str, needed_for: str = "every step") -> Any:
    """An entry of a batch.

    Raises:
        ValueError: it is missing.
    """
    if name not in batch:
        raise ValueError(
            f"the batch has no {name!r}, needed for {needed_for}; it has {sorted(batch)}"
        )
    return batch[name]
