"""Functions for tests that read a TFLite file's graph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from aec_ofa_tf.tagging.interpreter import interpreter_class
from aec_ofa_tf.tagging.model_file import read_bundle


def open_graph(path: Path | str) -> Any:
    """An interpreter that keeps every tensor."""
    interpreter = plain_interpreter(path, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    return interpreter


def plain_interpreter(path: Path | str, **settings: Any) -> Any:
    """The installed runtime's interpreter, without delegates that would join operators."""
    new_interpreter: Any = interpreter_class()
    resolvers = sys.modules[new_interpreter.__module__].OpResolverType
    return new_interpreter(
        model_content=read_bundle(path)[0],
        experimental_op_resolver_type=resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        **settings,
    )


def operator_details(interpreter: Any) -> list[dict[str, Any]]:
    """Name, input and output tensors of every operator, in the order of execution."""
    return interpreter._get_ops_details()


def operators(path: Path | str) -> list[str]:
    """Names of a file's operators, in the order of execution."""
    return [operator["op_name"] for operator in operator_details(open_graph(path))]


def randomise_norms(model: keras.Model, seed: int = 0) -> None:
    """Gives batch norms values like those of a trained network; a new one's zeros are removed."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.3, layer.beta.shape))
            layer.moving_mean.assign(rng.normal(0.0, 0.3, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
        elif isinstance(layer, keras.layers.Dense):
            layer.bias.assign(rng.normal(0.0, 0.3, layer.bias.shape))
