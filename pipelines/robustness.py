"""What `evaluate --robustness` does with files, subnets and teachers."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.report.update import update_report
from aec_ofa_tf.robustness.models import file_robustness
from aec_ofa_tf.robustness.results import Robustness
from aec_ofa_tf.robustness.store import store_file
from aec_ofa_tf.terminal import show
from aec_ofa_tf.training.config import EvaluationConfig
from tfrecords.records import Records

FLAGS = flags.FLAGS
_BATCH_SIZE = 64


def robustness_of(model: Path, records: Records, config: EvaluationConfig) -> Robustness:
    """The figures under every condition, which are shown, and kept in the run directory if any."""
    if model.is_dir():
        subnet = None if FLAGS.teacher else FLAGS.subnet
        run = Experiment.open(model, records)
        result = run.robustness(subnet, FLAGS.split, config, teacher=FLAGS.teacher)
    else:
        batch_size = config.batch_size or _BATCH_SIZE
        result = file_robustness(model, records, FLAGS.split, batch_size, FLAGS.interpreter)
        if workdir := store_file(model, result):
            update_report(workdir, records)
    show(str(result))
    return result
