"""Seconds of training, measured in a few steps on noise in a temporary run directory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.training import stages
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.origins import TransferConfig
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from aec_ofa_tf.workdir import Workdir

FEW = 6
"""Steps that are measured unless more are asked for."""

_SCORED_CLIPS = 8

Config = TypeVar("Config", SupernetConfig, SubnetConfig)


class Rehearsal:
    """Trains a few steps of stages on noise of the real size.

    What the stages need of earlier ones that are finished is read from the run directory.

    Args:
        space: the search space.
        network: the static parts of its networks.
        data: noise in the shape of the data.
        devices: the devices for training.
        workdir: the run directory; it need not exist, and is not changed.
        folder: an empty folder for what the rehearsal writes.
        measured: steps that are measured, after as many in which functions are traced.

    Attributes:
        start_secs: seconds of the rehearsed stages besides their steps: to trace functions, to draw
            clips, to save weights.
    """

    def __init__(
        self,
        space: SearchSpace,
        network: NetworkConfig,
        data: Dataset,
        devices: Devices,
        workdir: Path,
        folder: Path,
        measured: int = FEW,
    ) -> None:
        self.run = Run(Workdir(folder), data, space, network, devices)
        self.start_secs = 0.0
        self._measured = measured
        for place in ("stages", "checkpoints"):
            (folder / place).mkdir()
        for record in workdir.glob("stages/*.json"):
            shutil.copy(record, folder / "stages" / record.name)
        # These are only read, and are large.
        for path in (*workdir.glob("checkpoints/teacher"), *workdir.glob("*.keras")):
            (folder / path.relative_to(workdir)).symlink_to(path.resolve())

    def teacher(self, config: TeacherConfig) -> float:
        """Seconds of a step of the teacher."""
        self._remove("teacher", "teacher.keras")
        short = replace(config, train=self._short(config.train), steps=2 * self._measured)
        with self._starting("teacher", 2 * self._measured):
            stages.train_teacher(self.run, short)
        return self._secs("teacher", 2 * self._measured)

    def supernet(self, config: SupernetConfig) -> tuple[float | None, float]:
        """Seconds of a step in phase 1, if there is one, and in phase 2."""
        self._remove("supernet", "frozen_largest.keras")
        first = 2 * self._measured if config.largest_steps else 0
        short = self._students(replace(config, largest_steps=first, steps=2 * self._measured))
        with self._starting("supernet", first + 2 * self._measured):
            stages.train_supernet(self.run, short)
        last = self._secs("supernet", first + 2 * self._measured)
        return (self._secs("supernet", first) if first else None), last

    def subnet(self, subnet: Subnet, config: SubnetConfig) -> float:
        """Seconds of a step of a subnet that is trained alone."""
        random = replace(config, init="random", transfer=TransferConfig(), steps=2 * self._measured)
        self._remove(stages.subnet_stage(subnet, random))
        short = self._students(random)
        stages.train_subnet(self.run, subnet, short)
        (name,) = (path.name for path in (self.run.workdir.path / "events").glob("subnet-*"))
        return self._secs(name, 2 * self._measured)

    def _students(self, config: Config) -> Config:
        if config.distill_from == "cache":  # noise has soft labels
            self.run.workdir.finish_stage("soft_labels", {"teacher": "noise"}, {})
        start = replace(config.transfer, classifier_steps=0, body_warmup_steps=0)
        return replace(config, train=self._short(config.train), transfer=start)

    def _secs(self, stage: str, step: int) -> float:
        """Seconds per step over the steps that end with a given one."""
        events = EventAccumulator(str(self.run.workdir.path / "events" / stage))
        events.Reload()
        times = {event.step: event.wall_time for event in events.Tensors("loss/mean")}
        return (times[step] - times[step - self._measured]) / self._measured

    @contextmanager
    def _starting(self, stage: str, steps: int) -> Iterator[None]:
        """Adds to `start_secs` what the block takes beyond so many steps of a stage."""
        began = time.monotonic()
        yield
        secs = time.monotonic() - began - steps * self._secs(stage, steps)
        self.start_secs += max(secs, 0.0)

    def _remove(self, stage: str, *files: str) -> None:
        """Removes what the folder has of a stage that is rehearsed."""
        folder = self.run.workdir.path
        for name in (f"stages/{stage}.json", f"checkpoints/{stage}", *files):
            (folder / name).unlink(missing_ok=True)

    def _short(self, train: TrainConfig) -> TrainConfig:
        """Settings with the same steps, but without what is not a step."""
        return replace(
            train,
            warmup_steps=0,
            calibration_clips=_SCORED_CLIPS,
            summary_every=self._measured,
            validate_every=0,
            checkpoint_every=1000,
            profile_steps=0,
        )
