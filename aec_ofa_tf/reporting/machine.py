"""Description of the machine that figures are measured on. No TensorFlow here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
"""The Linux kernel's description of the CPU."""

_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
_BFLOAT16_FEATURES = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Machine:
    """A machine that figures are measured on.

    Attributes:
        cores: number of cores that the process may use; None if the system does not tell.
        cpu_features: those features that networks run faster with, as the kernel names them.
        bfloat16_units: whether the CPU computes in bfloat16.
    """

    cores: int | None
    cpu_features: Sequence[str]
    bfloat16_units: bool

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def cpu_features(cpu_info: Path = CPU_INFO) -> set[str]:
    """The CPU's features, as the kernel names them; empty if its description does not exist."""
    return set(cpu_info.read_text().split()) if cpu_info.exists() else set()


def has_bfloat16_units(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the CPU computes in bfloat16; if not, TensorFlow emulates it, many times slower."""
    return bool(_BFLOAT16_FEATURES & cpu_features(cpu_info))


def describe_machine() -> Machine:
    """The machine that this process runs on."""
    known = cpu_features()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    features = [feature for feature in _FEATURES if feature in known]
    return Machine(cores, features, has_bfloat16_units())
