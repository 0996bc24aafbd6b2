"""Sorts channels by importance, so that the prefixes that narrow subnets keep matter most.

Once-for-all (Cai et al. 2020) sorts by the L1 norm of the weights that read a channel. Here the
norm of these weights is multiplied by the channel's root mean square, which its batch norm tells:
scale and shift are the standard deviation and the mean before the activation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aec_ofa_tf.models.mobilenet.architecture import Architecture
from aec_ofa_tf.pinned_keras import keras

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_Function = Callable[[np.ndarray], np.ndarray]
_OUT, _IN = -1, -2
"""Axes of a kernel; those of a depthwise kernel are the other way round."""


def sort_channels(model: keras.Model, full: Architecture) -> None:
    """Reorders the elastic channels of a plain MobileNet in place, most important first.

    The model computes the same as before, up to rounding.

    Args:
        model: a plain model of the largest subnet.
        full: its architecture.
    """
    sorting = _Sorting(model)
    number = 1
    for index, stage in enumerate(full.stages):
        names = [f"block{number + place}" for place in range(len(stage))]
        number += len(stage)
        for name, block in zip(names, stage, strict=True):
            if block.expands:
                sorting.expanded(name, block.squeezes, block.hard_swish)
        after = full.stages[index + 1][0] if index + 1 < len(full.stages) else None
        readers = [*stage[1:], *([after] if after else [])]
        if index and all(block.expands for block in readers):
            last = f"block{number}_expand" if after else "last"
            sorting.outputs(names, [*(f"{name}_expand" for name in names[1:]), last])
    sorting.last()


class _Sorting:
    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def expanded(self, name: str, squeezes: bool, is_hard_swish: bool) -> None:
        """The channels of a block's depthwise convolution, and its squeezed units."""
        size = self._rms(f"{name}_depthwise_norm", _hard_swish if is_hard_swish else _relu)
        order = _order(size * _norm(self._kernel(f"{name}_project"), _IN))
        self._reorder(order, [f"{name}_expand"], [f"{name}_project"])
        self._reorder_depthwise(order, f"{name}_depthwise")
        if squeezes:
            squeeze, excite = f"{name}_squeeze", f"{name}_excite"
            self._reorder(order, [excite], [squeeze])
            units = _norm(self._kernel(squeeze), _OUT) * _norm(self._kernel(excite), _IN)
            self._reorder(_order(units), [squeeze], [excite])

    def outputs(self, blocks: Sequence[str], readers: Sequence[str]) -> None:
        """The channels that leave the blocks of a stage, and those who read them."""
        squares = [
            self._rms(f"{block}_project_norm", lambda values: values) ** 2 for block in blocks
        ]
        reads = [_norm(self._kernel(reader), _IN) ** 2 for reader in readers]
        order = _order(np.sqrt(sum(squares)) * np.sqrt(sum(reads)))
        self._reorder(order, [f"{block}_project" for block in blocks], readers)

    def last(self) -> None:
        """The channels of the last convolution and the units before the classifier."""
        size = self._rms("last_norm", _hard_swish)
        order = _order(size * _norm(self._kernel("hidden"), _IN))
        self._reorder(order, ["last"], ["hidden"])
        units = _norm(self._kernel("hidden"), _OUT) * _norm(self._kernel("classifier"), _IN)
        self._reorder(_order(units), ["hidden"], ["classifier"])

    def _kernel(self, name: str) -> np.ndarray:
        return self._model.get_layer(name).get_weights()[0]

    def _rms(self, norm: str, activation: _Function) -> np.ndarray:
        """Root mean square of the activation of normal values, by Gauss-Hermite quadrature."""
        gamma, beta = self._model.get_layer(norm).get_weights()[:2]
        values = activation(np.outer(_NODES, gamma) + beta)
        return np.sqrt(_WEIGHTS @ np.square(values) / _WEIGHTS.sum())

    def _reorder(self, order: np.ndarray, writers: Sequence[str], readers: Sequence[str]) -> None:
        """Takes the outputs of some layers and the inputs of others in a new order."""
        for name in writers:
            layer = self._model.get_layer(name)
            layer.set_weights([np.take(array, order, _OUT) for array in layer.get_weights()])
            self._reorder_norm(order, name)
        for name in readers:
            layer = self._model.get_layer(name)
            kernel, *bias = layer.get_weights()
            layer.set_weights([np.take(kernel, order, _IN), *bias])

    def _reorder_depthwise(self, order: np.ndarray, name: str) -> None:
        layer = self._model.get_layer(name)
        layer.set_weights([np.take(layer.get_weights()[0], order, _IN)])
        self._reorder_norm(order, name)

    def _reorder_norm(self, order: np.ndarray, name: str) -> None:
        names = {layer.name for layer in self._model.layers}
        if f"{name}_norm" in names:
            norm = self._model.get_layer(f"{name}_norm")
            norm.set_weights([vector[order] for vector in norm.get_weights()])


def _order(importance: np.ndarray) -> np.ndarray:
    return np.argsort(-importance, kind="stable")


def _norm(kernel: np.ndarray, axis: int) -> np.ndarray:
    """The Euclidean norm of a kernel's weights per index of an axis."""
    axes = tuple(other for other in range(kernel.ndim) if other != axis % kernel.ndim)
    return np.sqrt(np.square(kernel, dtype=np.float64).sum(axes))


def _relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0.0)


def _hard_swish(values: np.ndarray) -> np.ndarray:
    return values * np.clip(values + 3.0, 0.0, 6.0) / 6.0
