"""A CNN10's weights with its batch norms folded into them, and back."""

from __future__ import annotations

import keras
import numpy as np

_INPUT_NORM = "input_norm"
_DENSE = ("embedding", "classifier")


def folded_layers(model: keras.Model) -> tuple[str, ...]:
    """Names of a CNN10's convolutions and of the pools between them, in order."""
    return tuple(
        layer.name
        for layer in model.layers
        if layer.name.startswith("block")
        and isinstance(layer, keras.layers.Conv2D | keras.layers.AveragePooling2D)
    )


def fold(model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of the network without batch norms that computes what a CNN10 computes.

    Args:
        model: of `build_cnn10`.

    Returns:
        float32 arrays: `input_scale/scale` and `input_shift/shift` [mel_bins], and
        `NAME/kernel` and `NAME/bias` of every convolution and dense layer.

    Raises:
        ValueError: the model is not a CNN10.
    """
    try:
        scale, shift = affine(model.get_layer(_INPUT_NORM))
        weights = {"input_scale/scale": scale, "input_shift/shift": shift}
        for name in _convolutions(model):
            scale, shift = affine(model.get_layer(_norm(name)))
            (kernel,) = model.get_layer(name).get_weights()
            weights |= {f"{name}/kernel": kernel * scale, f"{name}/bias": shift}
        for name in _DENSE:
            kernel, bias = model.get_layer(name).get_weights()
            weights |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    except ValueError as error:
        raise ValueError(f"expected a model of build_cnn10, received one of: {error}") from error
    return {name: np.asarray(array, np.float32) for name, array in weights.items()}


def unfold(model: keras.Model, weights: dict[str, np.ndarray]) -> keras.Model:
    """A CNN10 of the same widths with folded weights; its batch norms only add the biases.

    Args:
        model: of `build_cnn10`; it is not changed.
        weights: in the form that `fold` returns.
    """
    copy = keras.models.clone_model(model)
    norm = copy.get_layer(_INPUT_NORM)
    set_affine(norm, weights["input_scale/scale"], weights["input_shift/shift"])
    for name in _convolutions(model):
        bias = weights[f"{name}/bias"]
        copy.get_layer(name).set_weights([weights[f"{name}/kernel"]])
        set_affine(copy.get_layer(_norm(name)), np.ones_like(bias), bias)
    for name in _DENSE:
        copy.get_layer(name).set_weights([weights[f"{name}/kernel"], weights[f"{name}/bias"]])
    return copy


def _convolutions(model: keras.Model) -> list[str]:
    return [name for name in folded_layers(model) if "conv" in name]


def _norm(convolution: str) -> str:
    return convolution.replace("conv", "norm")


def affine(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of a batch norm in inference, computed in float64."""
    gamma, beta, mean, variance = (array.astype(np.float64) for array in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def set_affine(norm: keras.layers.BatchNormalization, scale: np.ndarray, shift: np.ndarray) -> None:
    """Makes a batch norm in inference multiply by `scale` and add `shift`, [channels] each."""
    variance = np.full_like(scale, 1.0 - norm.epsilon)
    norm.set_weights([scale, shift, np.zeros_like(scale), variance])
