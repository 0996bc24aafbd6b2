"""The figures of a file for a microcontroller or an NPU. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aec_ofa_tf.costs.npu import npu_metrics


@dataclass(frozen=True)
class MicroFigures:
    """A file in TFLite's micro interpreter, recorded on a 64-bit machine with reference kernels.

    Attributes:
        arena_bytes: the arena that the recorder counted.
        head_bytes: its part in which activations share memory.
        tail_bytes: its part that persists.
        clips: number of clips that were run.
        logit_steps: the largest difference of a logit from LiteRT's reference kernels, in steps of
            the logits.
        score_steps: the largest difference of a score from theirs, in steps of the scores.
        drop: Keras' figure on these clips minus the micro interpreter's; None if their labels do
            not define it.
    """

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    clips: int
    logit_steps: int
    score_steps: int
    drop: float | None


@dataclass(frozen=True)
class NpuFigures:
    """Vela's estimates of a file on an NPU.

    Attributes:
        system_config: Vela's name of the system, with its clock and memories.
        memory_mode: Vela's name of the use of the memories.
        clock_hz: clock of the NPU.
        cycles: cycles of an inference.
        ms: duration of an inference in milliseconds.
        sram_bytes: SRAM for activations and buffered weights.
        dram_bytes: DRAM in use; 0 on systems without DRAM.
        flash_bytes: flash for weights and commands; 0 on systems that keep them in DRAM.
        arena_bytes: at most the size of activations, in the memory that holds them.
    """

    system_config: str
    memory_mode: str
    clock_hz: float
    cycles: int
    ms: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class PortReport:
    """The C files of a model for a target.

    Attributes:
        target: the target, one of `targets.TARGETS`.
        folder: name of their folder, beside the model file.
        model_bytes: size of the C array.
        tensor_arena_bytes: size of the arena in the C files, with a margin.
        operators: the operators that the resolver registers.
        micro: figures in the micro interpreter, for the target micro.
        npu: figures on the NPU, for accelerators.
        no_front_end: why there is no front end in C; empty if there is one.
    """

    target: str
    folder: str
    model_bytes: int
    tensor_arena_bytes: int
    operators: tuple[str, ...]
    micro: MicroFigures | None = None
    npu: NpuFigures | None = None
    no_front_end: str = ""

    @property
    def costs(self) -> dict[str, float]:
        """The figures that budgets bound and tables have columns for, by name."""
        if self.micro:
            return {"arena_bytes": self.micro.arena_bytes}
        if self.npu is None:
            return {}
        figures = self.npu.ms, self.npu.sram_bytes, self.npu.flash_bytes
        return dict(zip(npu_metrics(self.target), figures, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> PortReport:
        """Builds a report from the values of `as_dict`."""
        micro, npu = row["micro"], row["npu"]
        return cls(
            **{
                **row,
                "operators": tuple(row["operators"]),
                "micro": MicroFigures(**micro) if micro else None,
                "npu": NpuFigures(**npu) if npu else None,
            }
        )
