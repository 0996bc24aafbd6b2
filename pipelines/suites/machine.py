"""What the figures of a benchmark depend on besides the code. No TensorFlow here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aec_ofa_tf.training.precision import resolve_precision
from pipelines.suites.settings import BFLOAT16

_CPU_INFO = Path("/proc/cpuinfo")
_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")


def has_bfloat16_units() -> bool:
    """Whether the CPU computes in bfloat16; elsewhere TensorFlow emulates it, many times slower."""
    return resolve_precision("auto") == BFLOAT16


def describe_machine() -> dict[str, Any]:
    """Cores, how busy they were before, and what the CPU can compute."""
    known = set(_CPU_INFO.read_text().split()) if _CPU_INFO.exists() else set()
    return {
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "cpu_features": [feature for feature in _FEATURES if feature in known],
        "bfloat16_units": has_bfloat16_units(),
    }
