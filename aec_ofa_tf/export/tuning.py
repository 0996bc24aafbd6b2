"""What the child process of quantisation-aware training is asked for. No TensorFlow here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WEIGHTS_FILE = "weights.npz"
CLIPS_FILE = "clips.npy"
TARGETS_FILE = "targets.npy"
CALIBRATION_FILE = "calibration.npy"
TUNED_FILE = "tuned.npz"
TWIN_FOLDER = "twin"
PROGRESS = "fine-tuning"
"""How a line of the child's log begins that tells how far it is."""

_JOB_FILE = "tuning.json"
_LOSSES_FILE = "losses.json"


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned, in float32 and with its quantisation simulated alike.

    Attributes:
        steps: of Adam, whose learning rate falls to 0 along a cosine.
        learning_rate: of the first step.
        batch_size: clips of a step.
        seed: of the order of the clips.

    Raises:
        ValueError: one is not positive, or the seed negative.
    """

    steps: int = 300
    learning_rate: float = 1e-4
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        positive = min(self.steps, self.batch_size) >= 1 and self.learning_rate > 0
        if not positive or self.seed < 0:
            raise ValueError(
                "fine-tuning takes at least one step of one clip, a positive learning rate and a "
                f"seed from 0, received {self}"
            )


@dataclass(frozen=True)
class TuningJob:
    """One network to fine-tune twice; the arrays stand in files beside it.

    Attributes:
        layers: names of its convolutions and of the pools between them, in order.
        frames: of a clip.
        mel_bins: of a frame.
        settings: how.
    """

    layers: tuple[str, ...]
    frames: int
    mel_bins: int
    settings: FineTuning


def write_tuning_job(job: TuningJob, folder: Path) -> None:
    """Leaves the job for the child that will run in `folder`."""
    (folder / _JOB_FILE).write_text(json.dumps(asdict(job)), encoding="utf-8")


def read_tuning_job(folder: Path) -> TuningJob:
    """Reads what `write_tuning_job` wrote."""
    fields: dict[str, Any] = json.loads((folder / _JOB_FILE).read_text("utf-8"))
    fields["layers"] = tuple(fields["layers"])
    fields["settings"] = FineTuning(**fields["settings"])
    return TuningJob(**fields)


def write_losses(losses: dict[str, list[float]], folder: Path) -> None:
    """Leaves the losses of all steps by network, "float32" and "int8_qat", for the parent."""
    (folder / _LOSSES_FILE).write_text(json.dumps(losses), encoding="utf-8")


def read_losses(folder: Path) -> dict[str, list[float]]:
    """Reads what `write_losses` wrote."""
    return json.loads((folder / _LOSSES_FILE).read_text("utf-8"))
