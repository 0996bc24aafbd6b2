"""EfficientAT's `mn` checkpoints (Schmid et al. 2023) as plain Keras models."""

from __future__ import annotations

import numpy as np

from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet.architecture import HIDDEN_UNITS, Architecture
from aec_ofa_tf.models.mobilenet.network import MobilenetNetwork
from aec_ofa_tf.models.mobilenet.space import MobilenetSpace
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.pretrained.torch_files import CheckpointError, StateDict

_HIDDEN, _CLASSIFIER = "classifier.2", "classifier.5"
_COUNTERS = (".num_batches_tracked",)


def efficientat_space(state: StateDict) -> MobilenetSpace:
    """The search space whose largest subnet is the network of a checkpoint.

    Raises:
        CheckpointError: the checkpoint is of another network.
    """
    hidden = state.shape(f"{_HIDDEN}.weight")[0]
    space = MobilenetSpace(hidden / HIDDEN_UNITS)
    if space.full.hidden != hidden:
        raise CheckpointError(f"{state.path}: {_HIDDEN} has {hidden} units, which no `mn` has")
    return space


def efficientat_model(
    state: StateDict, frames: int, mel_bins: int, task: str
) -> tuple[keras.Model, MobilenetNetwork]:
    """A plain Keras model with the weights of a checkpoint.

    Args:
        state: the checkpoint.
        frames: frames of a clip's log-mel.
        mel_bins: mel bins of the front end that the checkpoint was trained with.
        task: name of what the outputs mean.

    Returns:
        A model from log-mel in dB to scores, and its network.

    Raises:
        CheckpointError: the checkpoint is of another network.
    """
    space = efficientat_space(state)
    classes = state.shape(f"{_CLASSIFIER}.weight")[0]
    network = MobilenetNetwork(classes, frames, mel_bins=mel_bins, task=task,
                               width_mult=space.width_mult)  # fmt: skip
    model = build_plain(space.largest, network)
    _Filling(model, state).fill(space.full)
    state.check_all_taken(_COUNTERS)
    return model, network


class _Filling:
    """Copies tensors, [out, in, mel, time] there, into layers, [time, mel, in, out]."""

    def __init__(self, model: keras.Model, state: StateDict) -> None:
        self._model = model
        self._state = state

    def fill(self, full: Architecture) -> None:
        self._conv("stem", "features.0")
        blocks = [block for stage in full.stages for block in stage]
        for number, block in enumerate(blocks, start=1):
            name, place = f"block{number}", f"features.{number}.block"
            parts = [
                *[("expand", self._conv)] * block.expands,
                ("depthwise", self._conv),
                *[("", self._squeeze_excitation)] * block.squeezes,
                ("project", self._conv),
            ]
            for index, (part, copy) in enumerate(parts):
                copy(f"{name}_{part}", f"{place}.{index}")
        self._conv("last", f"features.{len(blocks) + 1}")
        self._dense("hidden", _HIDDEN)
        self._dense("classifier", _CLASSIFIER)

    def _conv(self, name: str, place: str) -> None:
        """A convolution and the batch norm after it."""
        layer, norm = self._model.get_layer(name), self._model.get_layer(f"{name}_norm")
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        axes = (3, 2, 0, 1) if is_depthwise else (3, 2, 1, 0)
        shape = layer.get_weights()[0].shape
        there = tuple(shape[axes.index(axis)] for axis in range(4))
        kernel = self._state.take(f"{place}.0.weight", there).transpose(axes)
        layer.set_weights([kernel])
        channels = norm.get_weights()[0].shape
        norm.set_weights(self._state.take_norm(f"{place}.1", channels))

    def _squeeze_excitation(self, name: str, place: str) -> None:
        for part, dense in (("squeeze", "fc1"), ("excite", "fc2")):
            self._dense(f"{name}{part}", f"{place}.conc_se_layers.0.{dense}")

    def _dense(self, name: str, place: str) -> None:
        """A dense layer, or a 1x1 convolution in its stead."""
        layer = self._model.get_layer(name)
        kernel, bias = (weight.shape for weight in layer.get_weights())
        there = self._state.take(f"{place}.weight", (kernel[-1], kernel[-2]))
        layer.set_weights([np.reshape(there.T, kernel), self._state.take(f"{place}.bias", bias)])
