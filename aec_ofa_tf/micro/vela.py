"""Compiles TFLite files for Arm's Ethos-U NPUs by Vela, in a child process."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aec_ofa_tf.export.child import run_child
from aec_ofa_tf.micro.graph import graph_operators
from aec_ofa_tf.micro.operators import ETHOS_U
from aec_ofa_tf.micro.report import NpuFigures

_NAME = "model"
_KIB = 1024
_MEMORIES = ("sram", "dram", "on_chip_flash", "off_chip_flash")
_ENDS = ("QUANTIZE", "DEQUANTIZE")


def compile_for_npu(
    tflite_bytes: bytes, accelerator: str, folder: Path
) -> tuple[bytes, NpuFigures]:
    """Compiles a file for an NPU, with Vela's default system and memories for it.

    Args:
        tflite_bytes: an int8 flatbuffer; its names are those in messages.
        accelerator: one of `targets.ACCELERATORS`.
        folder: folder for temporary files.

    Returns:
        Vela's flatbuffer, whose one operator runs on the NPU, and its estimates.

    Raises:
        RuntimeError: Vela cannot compile the file, or leaves operators on the CPU.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        source = place / f"{_NAME}.tflite"
        source.write_bytes(tflite_bytes)
        options = {"accelerator-config": accelerator, "output-dir": str(place)}
        given = [f"--{option}={value}" for option, value in options.items()]
        arguments = ["-m", "ethosu.vela", *given, str(source)]
        run_child(arguments, place, f"compiling for {accelerator} with Vela")
        compiled = (place / f"{_NAME}_vela.tflite").read_bytes()
        (summary,) = place.glob(f"{_NAME}_summary_*.csv")
        figures = read_figures(summary)
    refuse_operators_of_the_cpu(compiled, accelerator)
    return compiled, figures


def refuse_operators_of_the_cpu(compiled: bytes, accelerator: str) -> None:
    """Checks that Vela left nothing but the float32 ends to the CPU.

    Args:
        compiled: Vela's flatbuffer.
        accelerator: its accelerator.

    Raises:
        RuntimeError: it left others.
    """
    left = [operator for operator in graph_operators(compiled) if operator.name != ETHOS_U]
    left = [operator for operator in left if operator.name not in _ENDS]
    if left:
        raise RuntimeError(
            f"Vela leaves {', '.join(map(str, left))} to the CPU, because {accelerator} cannot run "
            "them: use layers that it can (`python -m ethosu.vela --supported-ops-report`), or the "
            "target micro"
        )


def read_figures(summary: Path) -> NpuFigures:
    """Vela's estimates from the CSV file that it writes."""
    with summary.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    used = {name: _used_bytes(row, name) for name in _MEMORIES}
    return NpuFigures(
        system_config=row["system_config"],
        memory_mode=row["memory_mode"],
        clock_hz=float(row["core_clock"]),
        cycles=round(float(row["cycles_total"])),
        ms=1000 * float(row["inference_time"]),
        sram_bytes=used["sram"],
        dram_bytes=used["dram"],
        flash_bytes=used["on_chip_flash"] + used["off_chip_flash"],
        # With weights in the same memory, this is more than activations take.
        arena_bytes=used[row["feature_map_storage_area"].lower()],
    )


def _used_bytes(row: Mapping[str, str], memory: str) -> int:
    return round(_KIB * float(row[f"{memory}_memory_used"]))
