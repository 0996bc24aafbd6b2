"""What files are converted for, and the packages that this needs. No TensorFlow here."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.npu import ACCELERATORS

TFLITE = "tflite"
"""Phones and computers: a TFLite file alone."""

MICRO = "micro"
"""Microcontrollers: TFLite's micro interpreter."""

LITERT = "litert"
INTERPRETERS = (LITERT, MICRO)
"""What runs a TFLite file on this machine."""

TARGETS = (TFLITE, MICRO, *ACCELERATORS)

# Packages by the module that they install.
_MICRO = {"tflite_micro": "tflite-micro"}
_VELA = {"ethosu": "ethos-u-vela"}


def require_packages(target: str) -> None:
    """Checks that the packages for a target are installed.

    Raises:
        ConfigError: one is not; the message names it and the extra.
    """
    modules = {} if target == TFLITE else _MICRO
    modules = {**modules, **(_VELA if target in ACCELERATORS else {})}
    if _missing(modules):
        raise _not_installed(f"target={target!r}", _missing(modules))


def has_vela() -> bool:
    """Whether the compiler for NPUs is installed."""
    return not _missing(_VELA)


def require_vela() -> None:
    """Checks that the compiler for NPUs is installed.

    Raises:
        ConfigError: it is not; the message names it and the extra.
    """
    if not has_vela():
        raise _not_installed("to compile layers for an NPU", _missing(_VELA))


def _missing(modules: Mapping[str, str]) -> list[str]:
    """The packages of modules that are not installed."""
    return [package for name, package in modules.items() if not importlib.util.find_spec(name)]


def _not_installed(what: str, missing: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{what} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
        "installed: pip install '.[micro]'",
        "target",
    )
