"""What all stages of one experiment share, read from flags, records and the run directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from absl import flags

from aec_ofa_tf.files import replacing
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import Devices, open_devices
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator
from aec_ofa_tf.training.precision import resolve_precision
from pipelines.preflight import network_from_flags, space_from_flags, stored_space
from pipelines.workdir import Workdir
from tfrecords.clip import TRAIN
from tfrecords.dataset import evaluation_batches
from tfrecords.records import CheckedBatches, Records, open_records

FLAGS = flags.FLAGS
_HELD_BYTES = 2**30


@dataclass(frozen=True)
class Experiment:
    """A search space trained on one set of records.

    Attributes:
        workdir: where results go.
        records: the data.
        space: the subnets.
        network: what they have in common.
        batch_size: clips per step, in training, calibration and evaluation.
        calibration_clips: training clips for batch-norm statistics.
        devices: where training runs.
        held_bytes: clips of a split that take more are read again whenever they are walked.
    """

    workdir: Workdir
    records: Records
    space: SearchSpace
    network: NetworkConfig
    batch_size: int
    calibration_clips: int
    devices: Devices = field(default_factory=lambda: open_devices("none"))
    held_bytes: int = _HELD_BYTES

    def config(self) -> dict[str, Any]:
        """What identifies the experiment: another value of any entry is another experiment."""
        return {
            "space": asdict(self.space),
            "network": asdict(self.network),
            "labels": list(self.records.labels),
            "front_end": asdict(self.records.front_end),
            "clip_secs": self.records.clip_secs,
        }

    def calibration(self) -> Batches:
        """Fixed clean training clips, whole batches of them where there are enough."""
        batch = min(self.batch_size, self.records.clips(TRAIN))
        wanted = min(self.calibration_clips, self.records.clips(TRAIN))
        limit = max(batch, wanted // batch * batch)
        return self._batches(TRAIN, batch, limit)

    def split(self, split: str) -> Batches:
        """The clean clips of a split with their labels."""
        return self._batches(split, self.batch_size, self.records.clips(split))

    def _batches(self, split: str, batch_size: int, clips: int) -> Batches:
        """The first clips of a split, in memory where they are few: they are walked often."""
        dataset = evaluation_batches(self.records, split, batch_size, limit=clips)
        batches = CheckedBatches(dataset)
        clip_bytes = self.records.frames * self.records.front_end.mel_bins * 4
        return list(batches) if clips * clip_bytes <= self.held_bytes else batches

    def load_supernet(self) -> Supernet:
        """The trained supernet.

        Raises:
            ValueError: the supernet stage is not done.
            OSError: its last checkpoint cannot be read.
        """
        settings = self.workdir.require_stage("supernet")["settings"]
        supernet = Supernet(self.space.subnets(), self.network)
        self.restore("supernet", supernet, settings["largest_steps"] + settings["supernet_steps"])
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

    def evaluator(self, supernet: Supernet) -> SubnetEvaluator:
        """Recalibrates and evaluates subnets on this experiment's training clips."""
        return SubnetEvaluator(supernet, self.calibration())

    def checkpoints(self, stage: str) -> Path:
        """Where a stage keeps its checkpoints."""
        return self.workdir.path / "checkpoints" / stage


def open_trained(workdir: Path, stage: str = "supernet") -> Experiment:
    """The experiment that stands in a run directory, on the records of `--data_dir`.

    Args:
        workdir: the run directory.
        stage: the finished stage whose batch size and calibration clips apply without flags.

    Raises:
        ValueError: there is none, the stage is not done, or the records have other labels or
            another front end.
    """
    directory = Workdir(workdir)
    space, network = stored_space(directory)
    settings = directory.require_stage(stage)["settings"]
    experiment = Experiment(
        directory,
        open_records(FLAGS.data_dir),
        space,
        network,
        FLAGS.batch_size or settings["batch_size"],
        FLAGS.calibration_clips or settings["calibration_clips"],
    )
    directory.claim(experiment.config())
    return experiment


@contextmanager
def experiment_from_flags(devices: Devices) -> Iterator[Experiment]:
    """The experiment that the flags describe, with its run directory claimed and locked.

    On a cluster the chief claims and locks; the other workers compare and leave writing to it.

    Raises:
        ValueError: the run directory belongs to another experiment.
        OSError: another job works in it.
    """
    records = open_records(FLAGS.data_dir)
    space = space_from_flags()
    sizes = len(records.labels), records.frames, records.front_end.mel_bins
    network = network_from_flags(space, *sizes)
    workdir = Workdir(Path(FLAGS.workdir), writable=devices.chief)
    counts = FLAGS.batch_size, FLAGS.calibration_clips
    experiment = Experiment(workdir, records, space, network, *counts, devices)
    with workdir.exclusive():
        if devices.chief:
            workdir.claim(experiment.config())
        devices.require_same(
            _job(records), "they must be started with the same flags, paths aside, and records"
        )
        workdir.claim(experiment.config())
        yield experiment
        if devices.chief:
            _write_flags(workdir.path / "flags.txt")


def _write_flags(path: Path) -> None:
    """Keeps the flags of the last run that ended well, as a flagfile."""
    with replacing(path) as temporary:
        lines = (f"{flag.serialize()}\n" for flag in _own_flags() if flag.serialize())
        temporary.write_text("".join(lines), encoding="utf-8")


def _job(records: Records) -> str:
    """What the workers of a cluster must have in common."""
    places = {"workdir", "data_dir", "source"}
    values = [f"{flag.name}={flag.value}" for flag in _own_flags() if flag.name not in places]
    precision = resolve_precision(FLAGS.precision)
    return "\n".join([records.fingerprint, precision, *sorted(values)])


def _own_flags() -> list[flags.Flag]:
    """The flags that this project defines."""
    return [
        flag
        for module, found in FLAGS.flags_by_module_dict().items()
        if module.startswith("pipelines") or module == sys.argv[0]
        for flag in found
    ]
