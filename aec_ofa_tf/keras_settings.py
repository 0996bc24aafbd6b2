"""The settings of Keras that networks depend on. No TensorFlow here.

Keras takes its defaults from the environment and from the user's `keras.json`. With other defaults
the same program would build another network, so they are the same on every machine.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from types import ModuleType

BACKEND = "tensorflow"
SETTINGS = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
"""Keras' own defaults, by the names that `keras.json` and `keras.config` use."""

_ALLOWED = {
    "image_data_format": ("channels_first", "channels_last"),
    "floatx": ("float16", "float32", "float64"),
}
_VARIABLE = "KERAS_BACKEND"
_log = logging.getLogger(__name__)


def require_backend() -> None:
    """Chooses Keras' backend for this process and its children; call it before Keras is imported.

    A `backend` in `keras.json` has no effect then.

    Raises:
        RuntimeError: the environment asks for another backend than TensorFlow, or `keras.json` has
            values with which Keras cannot be imported.
    """
    wanted = os.environ.setdefault(_VARIABLE, BACKEND) or BACKEND
    if wanted != BACKEND:
        raise RuntimeError(
            f"{_VARIABLE}={wanted} in the environment, but these networks need TensorFlow: run "
            f"`unset {_VARIABLE}`, or set {_VARIABLE}={BACKEND}"
        )
    _check_settings_file()


def _check_settings_file() -> None:
    """Checks the values in `keras.json` at which Keras, and TensorFlow, fail to be imported.

    Raises:
        RuntimeError: there is such a value; names it, and the file.
    """
    home = Path("~").expanduser()
    place = home / ".keras" if os.access(home, os.W_OK) else Path("/tmp/.keras")  # noqa: S108 - Keras' rule
    path = Path(os.environ.get("KERAS_HOME") or place) / "keras.json"
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):  # Keras ignores such a file
        return
    problem = "" if isinstance(values, dict) else f"{values!r}, not an object"
    for name, allowed in _ALLOWED.items():
        if not problem and name in values and values[name] not in allowed:
            problem = f"{name} {values[name]!r}, not one of {', '.join(allowed)}"
    if not problem and not isinstance(values.get("epsilon", 0.0), float):
        problem = f"epsilon {values['epsilon']!r}, not a number such as 1e-07"
    if problem:
        raise RuntimeError(
            f"{path} has {problem}, with which Keras cannot be imported; correct it or remove the "
            "file, none of whose values these networks need"
        )


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
