"""Keras models on disk."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from aec_ofa_tf.files import replacing
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        # Keras derives the format from the suffix, which the temporary name lacks.
        draft = temporary.with_name(f"{temporary.name}.keras")
        model.save(draft)
        draft.replace(temporary)


def load_model(path: Path) -> keras.Model:
    """Opens a `.keras` file without running code from it.

    Raises:
        ValueError: the file does not exist or is not a model.
    """
    if not path.is_file():
        raise ValueError(f"there is no model at {path}")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is no Keras model: it is cut short or damaged, or another kind of file; "
            "restore it from a copy"
        )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # for a damaged file Keras raises errors of any class
        raise ValueError(f"{path} cannot be opened as a Keras model: {error}") from error


def load_supernet(path: Path | str) -> Supernet:
    """Opens a supernet that `supernet.save` wrote.

    Keras' own `load_model` opens the file too, once this function or `Supernet` was imported.

    Raises:
        ValueError: the file does not exist or is not a supernet.

    Example:
        >>> supernet.save("supernet.keras")
        >>> ofa.load_supernet("supernet.keras")
        Supernet(multi_label, 3 classes, space of 128 subnets)
    """
    model = load_model(Path(path))
    if not isinstance(model, Supernet):
        raise ValueError(f"{path} is a plain Keras model: open it with keras.models.load_model")
    return model


def model_fingerprint(model: keras.Model) -> str:
    """Hexadecimal SHA-256 of the names, shapes, dtypes and values of a model's weights."""
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(np.asarray(weight))
        digest.update(f"{weight.name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
