"""The precision in which a machine trains."""

from __future__ import annotations

from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_BFLOAT16_FEATURES = {"amx_bf16", "avx512_bf16"}


def resolve_precision(precision: str, cpu_info: Path = _CPU_INFO) -> str:
    """Resolves "auto": mixed_bfloat16 if the CPU has bfloat16 instructions, else float32.

    A CPU without them emulates bfloat16, more slowly than float32.

    Args:
        precision: "auto", or a Keras dtype policy.
        cpu_info: the Linux kernel's description of the CPU.

    Returns:
        A Keras dtype policy.
    """
    if precision != "auto":
        return precision
    text = cpu_info.read_text() if cpu_info.exists() else ""
    return "mixed_bfloat16" if _BFLOAT16_FEATURES & set(text.split()) else "float32"
