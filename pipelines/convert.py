r"""Converts a subnet of a trained supernet to `.keras` and TFLite files.

python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --subnet=smallest \
    --input=log_mel --quantization=float32,int8 --out=runs/demo/phone
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines import training_flags as training
from pipelines.flags import define_data_dir_flag

FLAGS = flags.FLAGS
training.define_workdir_flag()
define_data_dir_flag()
training.define_evaluation_flags()
training.define_subnet_flag()
training.define_conversion_flags()
flags.DEFINE_string("out", None, "Folder for the files; <workdir>/export/<subnet> by default.")
pipelines.flags.define_seed_flag("Of the choice of representative clips.")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flags_as_required(["workdir", "data_dir", "subnet"])


def main(_: list[str]) -> dict[str, Any]:
    """Converts `--subnet`; see the module's docstring."""
    from pipelines.experiment import open_trained
    from pipelines.stages.convert import convert_subnets, files_of_others

    experiment = open_trained(Path(FLAGS.workdir))
    spec = experiment.space.parse_subnet(FLAGS.subnet)
    folder = Path(FLAGS.out) if FLAGS.out else experiment.workdir.path / "export" / str(spec)
    others = files_of_others(folder, spec)
    if others:
        raise ValueError(f"{others[0]} is of another subnet than {spec}: use another --out")
    files = convert_subnets(experiment, {folder: spec})
    return {**files[0], "files": files}


if __name__ == "__main__":
    program.run(main)
