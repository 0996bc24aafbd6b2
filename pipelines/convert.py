r"""Converts subnets of a trained supernet, or the teacher, to `.keras` and TFLite files.

python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --subnet=smallest

A subnet that was trained further by itself (`train --stages=subnet --init=supernet`):
python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data \
    --alone=subnet-16x2-16x1-distill-supernet-1000

A network that import_weights imported; only int8 and float16 files need records:
python -m pipelines.convert --workdir=runs/mn04 --input=waveform --quantization=float32

The best subnet of every searched budget, with a table of all files:
python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --family \
    --input=log_mel,waveform --quantization=float32,int8 --data_licence='CC BY 4.0'
python -m pipelines.convert --workdir=runs/demo --data_dir=runs/demo-data --family --target=micro
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.dataset import EVALUATION
from aec_ofa_tf.export.child import require_temporary_folder
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.pretrained import DESCRIPTION
from aec_ofa_tf.training.config import EvaluationConfig
from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import data, define, experiment, naming_flags, read
from pipelines.preflight import check_evaluated, check_export_folders, check_export_place
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
data.define_data_dir_flag()
define(EvaluationConfig)
experiment.define_subnet_flag()
define(ExportConfig)
flags.DEFINE_bool("teacher", False, "Convert the teacher instead of a subnet.")
flags.DEFINE_string(
    "alone",
    None,
    "Convert a network that `train --stages=subnet` has trained, by the name of its file in the "
    "folder subnets of the run, instead of a subnet of the supernet.",
)
flags.DEFINE_bool(
    "family", False, "Convert the best subnet of every searched budget instead of --subnet."
)
flags.DEFINE_string(
    "out",
    None,
    "Folder for the files. Default: <workdir>/export/<subnet> or <workdir>/export/teacher. With "
    "--family: folder for the table and a subfolder per budget; default: <workdir>/export.",
)
flags.DEFINE_string("data_licence", None, "With --family: licence of the data, for model cards.")
flags.DEFINE_bool("score", True, "Score the files and the Keras model on the evaluation split.")
for module in (pipelines.flags, data, experiment):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Converts `--subnet`, `--teacher` or `--family`; see the module's docstring."""
    config = experiment.export_from_flags(read(EvaluationConfig))
    check_export_place(Path(FLAGS.workdir), FLAGS.out)
    if (Path(FLAGS.workdir) / DESCRIPTION).is_file():
        from pipelines.imported import convert_imported

        return convert_imported(config)
    _check_flags()
    workdir = Workdir(Path(FLAGS.workdir))
    manifest = load_manifest(Path(FLAGS.data_dir))
    config.check_payload(manifest.configuration["payload"])
    # Fails for a mistyped name, before locking would create its folder.
    space, network = workdir.space_and_network()
    if FLAGS.family:
        config.check_budgets(map(Budget.parse, workdir.winners()))
        if not FLAGS.out:
            check_export_folders(workdir.path, workdir.winners())
    elif FLAGS.subnet:
        space.parse_subnet(FLAGS.subnet)
    if FLAGS.score:
        check_evaluated(manifest, network.task, EVALUATION)
    require_temporary_folder()
    from aec_ofa_tf.experiment import Experiment
    from tfrecords.records import open_records

    run = Experiment.open(workdir.path, open_records(FLAGS.data_dir))
    if FLAGS.family:
        return run.family(config, FLAGS.out, FLAGS.data_licence or "").as_dict()
    result = run.export(
        config,
        FLAGS.subnet,
        teacher=FLAGS.teacher,
        alone=FLAGS.alone,
        out=FLAGS.out,
        score=FLAGS.score,
    )
    return {**result.files[0].as_dict(), **result.as_dict()}


def _check_flags() -> None:
    if not FLAGS.data_dir:
        raise ValueError("converting trained networks needs their records: give --data_dir")
    chosen = FLAGS.family, FLAGS.teacher, bool(FLAGS.subnet), bool(FLAGS.alone)
    if chosen.count(True) != 1:
        raise ValueError("give exactly one of --subnet=NAME, --teacher, --alone=NAME, --family")
    if FLAGS.data_licence and not FLAGS.family:
        raise ValueError("--data_licence is for the model cards of --family: add --family")
    if not FLAGS.score and (FLAGS.family or FLAGS.robustness):
        raise ValueError("--family and --robustness need the files' scores: leave out --noscore")


if __name__ == "__main__":
    program.run(main, required=("workdir",))
