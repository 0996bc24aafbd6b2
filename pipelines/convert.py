r"""Converts subnets of a trained supernet to `.keras` and TFLite files.

python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --subnet=smallest \
    --input=log_mel --quantization=float32,int8 --out=runs/demo/phone

The best subnet of every budget that was searched, with a table and a model card for every file:
python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --family \
    --input=log_mel,waveform --quantization=float32,int8 --data_licence='CC BY 4.0'
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines import training_flags as training
from pipelines.flags import define_data_dir_flag
from pipelines.preflight import conversion_kinds
from pipelines.workdir import Workdir
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
training.define_workdir_flag()
define_data_dir_flag()
training.define_evaluation_flags()
training.define_subnet_flag()
training.define_conversion_flags()
flags.DEFINE_bool("family", False, "In place of --subnet: the subnet of every searched budget.")
flags.DEFINE_string(
    "out",
    None,
    "Folder for the files; <workdir>/export/<subnet> by default. With --family that of the "
    "budgets' folders and the table; <workdir>/export by default.",
)
flags.DEFINE_string("data_licence", None, "With --family: the data's licence, for model cards.")
flags.DEFINE_bool("score", True, "Score the files on the evaluation split, beside Keras.")
pipelines.flags.define_seed_flag("Of the choice of representative clips.")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flags_as_required(["workdir", "data_dir"])


def main(_: list[str]) -> dict[str, Any]:
    """Converts `--subnet` or the `--family`; see the module's docstring."""
    _check_flags()
    workdir = Workdir(Path(FLAGS.workdir))
    conversion_kinds(load_manifest(Path(FLAGS.data_dir)).configuration["payload"])
    workdir.config()  # locking would make a folder of a mistyped name
    if FLAGS.family:
        workdir.winners()
    with workdir.exclusive():
        return _family(workdir) if FLAGS.family else _subnet(workdir)


def _check_flags() -> None:
    if FLAGS.family == bool(FLAGS.subnet):
        raise ValueError("say what to convert: one of --subnet=SUBNET and --family")
    if FLAGS.data_licence and not FLAGS.family:
        raise ValueError("--data_licence is for the model cards of --family: add it")
    if FLAGS.family and not FLAGS.score:
        raise ValueError("the table of --family has the files' mAP: leave out --noscore")


def _family(workdir: Workdir) -> dict[str, Any]:
    from pipelines.experiment import open_trained
    from pipelines.stages.family import run_family

    out = Path(FLAGS.out) if FLAGS.out else None
    return run_family(open_trained(workdir.path), out, FLAGS.data_licence or "")


def _subnet(workdir: Workdir) -> dict[str, Any]:
    from pipelines.experiment import open_trained
    from pipelines.stages.convert import convert_subnets, require_no_others
    from pipelines.stages.file_figures import with_latency, with_scores

    experiment = open_trained(workdir.path)
    spec = experiment.space.parse_subnet(FLAGS.subnet)
    folder = Path(FLAGS.out) if FLAGS.out else experiment.workdir.path / "export" / str(spec)
    require_no_others(experiment, folder, spec)
    files = with_latency(convert_subnets(experiment, {folder: spec}))
    if FLAGS.score:
        files = with_scores(experiment, files)
    return {**files[0], "files": files}


if __name__ == "__main__":
    program.run(main)
