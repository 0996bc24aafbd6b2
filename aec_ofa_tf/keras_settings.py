"""The settings of Keras that networks depend on. No TensorFlow here.

Keras takes its defaults from the environment and from the user's `keras.json`. With other defaults
the same program would build another network, so they are the same on every machine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from aec_ofa_tf.files import DAMAGE_ERRORS

BACKEND = "tensorflow"
SETTINGS = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
"""Keras' own defaults, by the names that `keras.json` and `keras.config` use."""

_VARIABLE = "KERAS_BACKEND"
_log = logging.getLogger(__name__)


def require_backend() -> None:
    """Chooses Keras' backend for this process and its children; call it before Keras is imported.

    A `backend` in `keras.json` has no effect then.

    Raises:
        RuntimeError: the environment asks for another backend than TensorFlow.
    """
    wanted = os.environ.setdefault(_VARIABLE, BACKEND) or BACKEND
    if wanted != BACKEND:
        raise RuntimeError(
            f"{_VARIABLE}={wanted} in the environment, but these networks need TensorFlow: run "
            f"`unset {_VARIABLE}`, or set {_VARIABLE}={BACKEND}"
        )


@contextmanager
def naming_settings() -> Iterator[None]:
    """Raises what values in `keras.json` that Keras does not know cause when it is imported.

    Raises:
        RuntimeError: Keras could not be imported; names the file.
    """
    try:
        yield
    except (AssertionError, *DAMAGE_ERRORS) as error:
        home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
        path = home / "keras.json"
        if not path.is_file():
            raise
        raise RuntimeError(
            f"Keras cannot be imported ({error or type(error).__name__}): {path} may have values "
            f"that it does not know. These networks need none of them; correct or remove the file"
        ) from error


def pin(keras: ModuleType) -> None:
    """Sets `SETTINGS` for this process and logs a warning about those that were different.

    Args:
        keras: Keras 3, or tf_keras' `backend` with the same functions as `keras.config`.
    """
    for name, value in SETTINGS.items():
        found = getattr(keras, name)()
        if found != value:
            _log.warning(
                "Keras' %s was %r (from keras.json, or set earlier); networks need %r, which this "
                "process now uses",
                *(name, found, value),
            )
            getattr(keras, f"set_{name}")(value)
