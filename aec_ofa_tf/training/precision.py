"""The precision in which a machine trains."""

from __future__ import annotations

from pathlib import Path

from aec_ofa_tf.reporting.machine import CPU_INFO, has_bfloat16_units


def resolve_precision(precision: str, cpu_info: Path = CPU_INFO) -> str:
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
    return "mixed_bfloat16" if has_bfloat16_units(cpu_info) else "float32"
