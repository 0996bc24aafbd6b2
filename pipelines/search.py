r"""Searches a trained supernet for the best subnet of every budget.

python -m pipelines.search --workdir=runs/demo --data_dir=runs/demo-data --budget='params<=50k'
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines import training_flags as training
from pipelines.flags import define_data_dir_flag
from pipelines.preflight import (
    check_budgets,
    check_storage,
    require_validation,
    stored_space,
    subspace_from_flags,
)
from pipelines.workdir import Workdir
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
training.define_workdir_flag()
define_data_dir_flag()
training.define_evaluation_flags()
training.define_search_flags()
training.define_subspace_flags()
pipelines.flags.define_seed_flag("Of the draw of candidates.")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flags_as_required(["workdir", "data_dir"])


def main(_: list[str]) -> dict[str, Any]:
    """Searches every budget; see the module's docstring."""
    workdir = Workdir(Path(FLAGS.workdir))
    trained, network = stored_space(workdir)
    space = subspace_from_flags(trained)
    check_budgets(space, network)
    check_storage()
    require_validation(load_manifest(Path(FLAGS.data_dir)))
    from pipelines.experiment import open_trained
    from pipelines.stages.search import run_search

    with workdir.exclusive():
        return run_search(open_trained(workdir.path), space)


if __name__ == "__main__":
    program.run(main)
