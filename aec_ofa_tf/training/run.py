"""The objects that all stages share: data, search space, run directory and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aec_ofa_tf.dataset import TRAIN, Dataset
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.models.family import experiment_config
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import Task, get_task
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.disturbing import as_in_training
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator, all_labels
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.training.windowed import Sounding, clip_labels, clip_scores, whole_secs, windows_of
from aec_ofa_tf.workdir import StageRecord, Workdir

CACHE_BYTES = 2**30
"""Clips that take more memory are not cached, but read again in every iteration."""


@dataclass(frozen=True)
class Sizes:
    """The numbers of clips with which trained subnets are evaluated.

    Attributes:
        batch_size: clips per batch.
        calibration_clips: training clips for recalibrating batch-norm statistics.
        train: how the networks were trained, whose disturbances calibration clips get too; None for
            clean ones.
    """

    batch_size: int
    calibration_clips: int
    train: TrainConfig | None = None

    @classmethod
    def of(cls, train: TrainConfig) -> Sizes:
        """Those of training."""
        return cls(train.batch_size, train.calibration_clips, train)


@dataclass(frozen=True)
class _TrainedBy:
    """What the settings of all training stages have."""

    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class Run:
    """A search space that is trained on one data set in one run directory.

    Attributes:
        workdir: the run directory.
        records: the data.
        space: the search space.
        network: the static parts of its networks.
        devices: the devices for training.
    """

    workdir: Workdir
    records: Dataset
    space: SearchSpace
    network: NetworkConfig
    devices: Devices

    @property
    def task(self) -> Task:
        """The task: the meaning of the networks' outputs."""
        return get_task(self.network.task)

    @property
    def config(self) -> dict[str, object]:
        """The content of `config.json`, which identifies the experiment."""
        data = self.records
        shape = data.labels, data.front_end, data.clip_secs, whole_secs(data)
        return experiment_config(self.space, self.network, *shape)

    def begin(
        self, stage: str, settings: Mapping[str, object], config: object = None
    ) -> StageRecord | None:
        """Returns the record of a finished stage, or stores its settings and returns None.

        Args:
            stage: name of the stage.
            settings: the settings that its outcome depends on.
            config: the stage's configuration, which must be equal on all workers of a cluster.

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

    def finish(self, stage: str, result: Mapping[str, object]) -> JsonObject:
        """Marks a stage as finished; returns the chief's result on every worker of a cluster."""
        if self.devices.chief:
            self.workdir.finish_stage(stage, result)
        self.devices.wait_for_all()
        return self.workdir.require_stage(stage).result or {}

    def sizes(self, evaluation: EvaluationConfig, stage: str = "supernet") -> Sizes:
        """The requested sizes; where they are None, those of a finished training stage.

        Raises:
            ValueError: the stage is not finished.
        """
        settings = self.workdir.require_stage(stage).settings
        return Sizes(
            evaluation.batch_size or settings["batch_size"],
            evaluation.calibration_clips or settings["calibration_clips"],
            self.workdir.stage_config(stage, _TrainedBy).train,
        )

    def calibration(self, sizes: Sizes, cache_bytes: int = CACHE_BYTES) -> Batches:
        """Fixed training clips, in whole batches if there are enough clips.

        They are clean, except for disturbances that the networks were trained with; without
        windows of digital silence.
        """
        available = self.records.clips(TRAIN)
        batch = min(sizes.batch_size, available)
        wanted = min(sizes.calibration_clips, available)
        clips = max(batch, wanted // batch * batch)
        batches = self.batches(TRAIN, batch, clips, cache_bytes)
        if windows_of(self.records) > 1:
            sounding = Sounding(batches, self.records.front_end.floor_db)
            batches = list(sounding) if isinstance(batches, list) else sounding
        return as_in_training(batches, self.records, sizes.train) if sizes.train else batches

    def batches(
        self,
        split: str,
        batch_size: int,
        clips: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Batches:
        """The first clips of a split, cached in memory if they are few.

        Args:
            split: the split to read.
            batch_size: clips per batch.
            clips: number of clips; by default all.
            cache_bytes: clips that take more memory are read again in every iteration.
        """
        clips = self.records.clips(split) if clips is None else clips
        batches = self.records.evaluation_batches(split, batch_size, limit=clips)
        rows = windows_of(self.records)
        clip_bytes = rows * self.records.frames * self.records.front_end.mel_bins * 4
        return list(batches) if clips * clip_bytes <= cache_bytes else batches

    def evaluator(
        self, supernet: Supernet, sizes: Sizes, cache_bytes: int = CACHE_BYTES
    ) -> SubnetEvaluator:
        """An evaluator that recalibrates subnets on this run's training clips."""
        return SubnetEvaluator(supernet, self.calibration(sizes, cache_bytes))

    def clip_scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of clips, float32 [clips, classes], by those of the rows of batches."""
        return clip_scores(rows, self.records, self.network.task)

    def clip_labels(self, batches: Batches) -> np.ndarray:
        """Labels of the clips of batches, float32 [clips, classes]."""
        return clip_labels(all_labels(batches), self.records)

    def trained_teacher(self) -> TeacherConfig:
        """The configuration of the trained teacher: its widths and steps.

        Raises:
            ValueError: the teacher is not trained.
        """
        return self.workdir.stage_config("teacher", TeacherConfig)

    def load_supernet(self) -> Supernet:
        """The trained supernet.

        Raises:
            ValueError: the supernet stage is not finished.
            OSError: its last checkpoint cannot be read.
        """
        config = self.workdir.stage_config("supernet", SupernetConfig)
        supernet = Supernet(self.space, self.network)
        self.restore("supernet", supernet, config.last_step)
        return supernet

    def restore(self, stage: str, network: Supernet, step: int) -> None:
        """Loads the final weights of a finished stage into a network.

        Args:
            stage: name of the stage.
            network: the network, which is changed in place.
            step: the step at which the stage ended.

        Raises:
            OSError: the checkpoint of that step is missing or damaged.
        """
        found = CheckpointStore(self.checkpoints(stage), network).restore()
        if found != step:
            raise OSError(
                f"stage {stage} ended at step {step}, and the newest checkpoint that can be read "
                f"in {self.checkpoints(stage)} is of step {found}: restore the folder from a copy, "
                f"or remove {self.workdir.path}/stages/{stage}.json to train the stage again"
            )

    def has_begun(self, stage: str) -> bool:
        """Whether a stage has a checkpoint."""
        return any(self.checkpoints(stage).glob("step-*.index"))

    def checkpoints(self, stage: str) -> Path:
        """Directory of a stage's checkpoints."""
        return self.workdir.path / "checkpoints" / stage

    @property
    def soft_labels_path(self) -> Path:
        """Directory of the teacher's scores of the training clips."""
        return self.workdir.path / "soft_labels"

    @property
    def teacher_path(self) -> Path:
        """File of the trained teacher."""
        return self.workdir.path / "teacher.keras"

    @property
    def frozen_path(self) -> Path:
        """File of the largest subnet as phase 1 left it."""
        return self.workdir.path / "frozen_largest.keras"

    @property
    def export_path(self) -> Path:
        """Default directory of converted files."""
        return self.workdir.path / "export"
