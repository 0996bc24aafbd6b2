"""What files are converted for, and the packages that this needs. No TensorFlow here."""

from __future__ import annotations

import importlib.util

from aec_ofa_tf.config import ConfigError

TFLITE = "tflite"
"""Phones and computers: a TFLite file alone."""

MICRO = "micro"
"""Microcontrollers: TFLite's micro interpreter."""

ACCELERATORS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
"""The NPUs that Vela compiles for, by its names; the number is of multiply-adds per cycle."""

TARGETS = (TFLITE, MICRO, *ACCELERATORS)


def require_packages(target: str) -> None:
    """Checks that the packages for a target are installed.

    Raises:
        ConfigError: one is not; the message names it and the extra.
    """
    modules = {} if target == TFLITE else {"tflite_micro": "tflite-micro"}
    modules |= {"ethosu": "ethos-u-vela"} if target in ACCELERATORS else {}
    missing = [package for name, package in modules.items() if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(
            f"target={target!r} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install "
            "'.[micro]'",
            "target",
        )
