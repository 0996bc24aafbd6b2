"""What all stages of an experiment share: data, search space, run directory and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aec_ofa_tf.config import from_values
from aec_ofa_tf.dataset import TRAIN, Dataset
from aec_ofa_tf.models.family import to_config
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import Task, get_task
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.config import EvaluationConfig, SupernetConfig
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator
from aec_ofa_tf.workdir import StageRecord, Workdir

HELD_BYTES = 2**30
"""Clips of a split that take more are read again whenever they are walked."""


@dataclass(frozen=True)
class Sizes:
    """How many clips trained subnets are run on.

    Attributes:
        batch_size: clips per batch.
        calibration_clips: training clips for batch-norm statistics.
    """

    batch_size: int
    calibration_clips: int


@dataclass(frozen=True)
class Run:
    """A search space that is trained on one data set in one run directory.

    Attributes:
        workdir: where results go.
        records: the data.
        space: the subnets.
        network: what they have in common.
        devices: where training runs.
    """

    workdir: Workdir
    records: Dataset
    space: SearchSpace
    network: NetworkConfig
    devices: Devices

    @property
    def task(self) -> Task:
        """What the networks' outputs mean."""
        return get_task(self.network.task)

    @property
    def config(self) -> dict[str, Any]:
        """What identifies the experiment, as `config.json` has it."""
        return {
            "space": to_config(self.space),
            "network": to_config(self.network),
            "labels": list(self.records.labels),
            "front_end": asdict(self.records.front_end),
            "clip_secs": self.records.clip_secs,
        }

    def begin(
        self, stage: str, settings: Mapping[str, Any], config: Any = None
    ) -> StageRecord | None:
        """The record of a stage that is done, or None after noting its settings.

        Args:
            stage: its name.
            settings: what its outcome depends on.
            config: the configuration that all workers of a cluster must share.

        Raises:
            ValueError: the workers of the cluster differ, or the stage was begun or finished with
                other settings.
        """
        self.devices.require_same(
            f"{stage} {dict(settings)} {config}",
            "they must be started with the same settings and records",
        )
        return self.workdir.begin_stage(
            stage, settings, self.has_begun(stage), None if config is None else type(config)
        )

    def finish(self, stage: str, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Marks a stage as done; every worker of a cluster gets the result that the chief found."""
        if self.devices.chief:
            self.workdir.finish_stage(stage, result)
        self.devices.wait_for_all()
        return self.workdir.require_stage(stage).result or {}

    def sizes(self, evaluation: EvaluationConfig, stage: str = "supernet") -> Sizes:
        """The sizes that are asked for, those of a finished stage's training otherwise.

        Raises:
            ValueError: the stage is not done.
        """
        settings = self.workdir.require_stage(stage).settings
        return Sizes(
            evaluation.batch_size or settings["batch_size"],
            evaluation.calibration_clips or settings["calibration_clips"],
        )

    def calibration(self, sizes: Sizes, held_bytes: int = HELD_BYTES) -> Batches:
        """Fixed clean training clips, whole batches of them where there are enough."""
        available = self.records.clips(TRAIN)
        batch = min(sizes.batch_size, available)
        wanted = min(sizes.calibration_clips, available)
        return self.batches(TRAIN, batch, max(batch, wanted // batch * batch), held_bytes)

    def batches(
        self,
        split: str,
        batch_size: int,
        clips: int | None = None,
        held_bytes: int = HELD_BYTES,
    ) -> Batches:
        """The first clips of a split, all by default; in memory where they are few.

        Args:
            split: which clips.
            batch_size: clips per batch.
            clips: how many.
            held_bytes: clips that take more are read again whenever they are walked.
        """
        clips = self.records.clips(split) if clips is None else clips
        batches = self.records.evaluation_batches(split, batch_size, limit=clips)
        clip_bytes = self.records.frames * self.records.front_end.mel_bins * 4
        return list(batches) if clips * clip_bytes <= held_bytes else batches

    def evaluator(
        self, supernet: Supernet, sizes: Sizes, held_bytes: int = HELD_BYTES
    ) -> SubnetEvaluator:
        """Recalibrates and evaluates subnets on this run's training clips."""
        return SubnetEvaluator(supernet, self.calibration(sizes, held_bytes))

    def load_supernet(self) -> Supernet:
        """The trained supernet.

        Raises:
            ValueError: the supernet stage is not done.
            OSError: its last checkpoint cannot be read.
        """
        config = from_values(SupernetConfig, self.workdir.require_stage("supernet").settings)
        supernet = Supernet(self.space, self.network)
        self.restore("supernet", supernet, config.last_step)
        return supernet

    def restore(self, stage: str, network: Supernet, step: int) -> None:
        """Loads the weights with which a finished stage ended.

        Raises:
            OSError: they are not there.
        """
        found = CheckpointStore(self.checkpoints(stage), network).restore()
        if found != step:
            raise OSError(
                f"stage {stage} ended at step {step}, and the newest checkpoint that can be read "
                f"in {self.checkpoints(stage)} is of step {found}: restore the folder from a copy, "
                f"or remove {self.workdir.path}/stages/{stage}.json to train the stage again"
            )

    def has_begun(self, stage: str) -> bool:
        """Whether a stage has trained at all."""
        return any(self.checkpoints(stage).glob("step-*.index"))

    def checkpoints(self, stage: str) -> Path:
        """Where a stage keeps its checkpoints."""
        return self.workdir.path / "checkpoints" / stage

    @property
    def soft_labels_path(self) -> Path:
        """Where the teacher's scores of the training clips are."""
        return self.workdir.path / "soft_labels"

    @property
    def teacher_path(self) -> Path:
        """The trained teacher."""
        return self.workdir.path / "teacher.keras"

    @property
    def export_path(self) -> Path:
        """Where converted files go by default."""
        return self.workdir.path / "export"
