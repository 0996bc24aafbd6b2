"""What all stages of one experiment share, read from flags, records and the run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from absl import flags

from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.spec import NetworkConfig, SearchSpace
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator
from pipelines.preflight import network_from_flags, space_from_flags, stored_space
from pipelines.workdir import Workdir
from tfrecords.clip import TRAIN
from tfrecords.dataset import evaluation_batches
from tfrecords.records import CheckedBatches, Records, open_records

FLAGS = flags.FLAGS
_IN_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class Experiment:
    """A search space trained on one set of records.

    Attributes:
        workdir: where results go.
        records: the data.
        space: the subnets.
        network: what they have in common.
    """

    workdir: Workdir
    records: Records
    space: SearchSpace
    network: NetworkConfig

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
        batch = min(FLAGS.batch_size, self.records.clips(TRAIN))
        wanted = min(FLAGS.calibration_clips, self.records.clips(TRAIN))
        limit = max(batch, wanted // batch * batch)
        return self._batches(TRAIN, batch, limit)

    def split(self, split: str) -> Batches:
        """The clean clips of a split with their labels."""
        return self._batches(split, FLAGS.batch_size, self.records.clips(split))

    def _batches(self, split: str, batch_size: int, clips: int) -> Batches:
        """The first clips of a split, in memory where they are few: they are walked often."""
        dataset = evaluation_batches(self.records, split, batch_size, limit=clips)
        batches = CheckedBatches(dataset)
        clip_bytes = self.records.frames * self.records.front_end.mel_bins * 4
        return list(batches) if clips * clip_bytes <= _IN_MEMORY_BYTES else batches

    def load_supernet(self) -> Supernet:
        """The trained supernet.

        Raises:
            ValueError: the supernet stage is not done.
            OSError: its checkpoints cannot be read.
        """
        self.workdir.require_stage("supernet")
        supernet = Supernet(self.space.subnets(), self.network)
        CheckpointStore(self.checkpoints("supernet"), supernet).restore()
        return supernet

    def evaluator(self, supernet: Supernet) -> SubnetEvaluator:
        """Recalibrates and evaluates subnets on this experiment's training clips."""
        return SubnetEvaluator(supernet, self.calibration())

    def checkpoints(self, stage: str) -> Path:
        """Where a stage keeps its checkpoints."""
        return self.workdir.path / "checkpoints" / stage


def open_trained(workdir: Path) -> Experiment:
    """The experiment that stands in a run directory, on the records of `--data_dir`.

    Raises:
        ValueError: there is none, or the records have other labels or another front end.
    """
    directory = Workdir(workdir)
    space, network = stored_space(directory)
    experiment = Experiment(directory, open_records(FLAGS.data_dir), space, network)
    directory.claim(experiment.config())
    return experiment


@contextmanager
def experiment_from_flags() -> Iterator[Experiment]:
    """The experiment that the flags describe, with its run directory claimed and locked.

    Raises:
        ValueError: the run directory belongs to another experiment.
        OSError: another job works in it.
    """
    records = open_records(FLAGS.data_dir)
    space = space_from_flags()
    network = network_from_flags(space, len(records.labels), records.frames)
    experiment = Experiment(Workdir(Path(FLAGS.workdir)), records, space, network)
    with experiment.workdir.exclusive():
        experiment.workdir.claim(experiment.config())
        (experiment.workdir.path / "flags.txt").write_text(FLAGS.flags_into_string())
        yield experiment
