r"""Searches a trained supernet for the best subnet of every budget.

python -m pipelines.search --workdir=runs/demo --data_dir=runs/demo-data --budget='params<=50k'
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.dataset import EVALUATION, VALIDATION
from aec_ofa_tf.files import require_writable
from aec_ofa_tf.search.config import require_validation, subspace
from aec_ofa_tf.training.config import EvaluationConfig
from aec_ofa_tf.workdir import SEARCH, Workdir
from pipelines import program
from pipelines.flags import data, define, experiment, naming_flags, read
from pipelines.flags import space as space_flags
from pipelines.preflight import check_evaluated
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
data.define_data_dir_flag()
define(EvaluationConfig)
experiment.define_search_flags()
space_flags.define_subspace_flags()
for module in (pipelines.flags, data, experiment, space_flags):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Searches every budget; see the module's docstring."""
    workdir = Workdir(Path(FLAGS.workdir))
    require_writable(workdir.path / SEARCH)
    trained, network = workdir.space_and_network()
    ratios = space_flags.width_ratios()
    space = subspace(trained, FLAGS.space, ratios)
    config = experiment.search_from_flags(read(EvaluationConfig))
    config.members(space, network, workdir.front_end())
    config.check_storage()
    manifest = load_manifest(Path(FLAGS.data_dir))
    require_validation(manifest.clips.get(VALIDATION, 0))
    check_evaluated(manifest, network.task, VALIDATION, EVALUATION)
    from aec_ofa_tf.experiment import Experiment
    from tfrecords.records import open_records

    run = Experiment.open(workdir.path, open_records(FLAGS.data_dir))
    return run.search(config, FLAGS.space, ratios).as_dict()


if __name__ == "__main__":
    program.run(main, required=("workdir", "data_dir"))
