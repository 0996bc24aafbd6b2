"""Description of the machine that figures are measured on. No TensorFlow here."""

from __future__ import annotations

import os
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
"""The Linux kernel's description of the CPU."""

_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
_BFLOAT16_FEATURES = {"avx512_bf16", "amx_bf16"}


def cpu_features(cpu_info: Path = CPU_INFO) -> set[str]:
    """The CPU's features, as the kernel names them; empty if its description does not exist."""
    return set(cpu_info.read_text().split()) if cpu_info.exists() else set()


def has_bfloat16_units(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the CPU computes in bfloat16; if not, TensorFlow emulates it, many times slower."""
    return bool(_BFLOAT16_FEATURES & cpu_features(cpu_info))


def describe_machine() -> dict[str, object]:
    """Number of cores and their features, as JSON values."""
    known = cpu_features()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "cpu_features": [feature for feature in _FEATURES if feature in known],
        "bfloat16_units": has_bfloat16_units(),
    }
