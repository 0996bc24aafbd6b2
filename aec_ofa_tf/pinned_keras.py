"""Keras with the settings that networks need; every other module imports `keras` from here."""

from aec_ofa_tf.keras_settings import BACKEND, pin, require_backend

require_backend()

import keras  # noqa: E402 - the backend is chosen when Keras is imported

if keras.config.backend() != BACKEND:
    raise RuntimeError(
        f"Keras was imported with the backend {keras.config.backend()}, but these networks need "
        f"TensorFlow: import aec_ofa_tf before Keras, or set KERAS_BACKEND={BACKEND}"
    )
pin(keras.config)

__all__ = ["keras"]
