r"""Writes one page about a run, to click and to listen to, which opens offline: report/index.html.

python -m pipelines.report --workdir=runs/demo
python -m pipelines.report --workdir=runs/demo --data_dir=runs/demo-data

Programs that finish a stage write it too. It has the Pareto fronts over any two costs, budgets and
winners, files, results per class, learning curves, clips, the data, and the commands.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import experiment
from tfrecords.manifest import MANIFEST_NAME

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
flags.DEFINE_string(
    "data_dir",
    None,
    "Directory of the run's records. Default: the one that the run was trained on, if it is there.",
)
flags.adopt_module_key_flags(experiment)


def main(_: list[str]) -> dict[str, object]:
    """Writes the report of `--workdir`; see the module's docstring."""
    workdir = Workdir(Path(FLAGS.workdir))
    workdir.config()  # fails for a mistyped name
    data_dir = FLAGS.data_dir or _trained_on(workdir.path / "flags.txt")
    if not data_dir:
        from aec_ofa_tf.report.page import write_report

        logging.warning("without clips and numbers of the data, for which --data_dir is needed")
        return {"report": str(write_report(workdir))}
    from aec_ofa_tf.experiment import Experiment
    from tfrecords.records import open_records

    run = Experiment.open(workdir.path, open_records(data_dir))
    return {"report": str(run.report())}


def _trained_on(flagfile: Path) -> str | None:
    """The directory of records in a run's flagfile, if records are there."""
    lines = flagfile.read_text(encoding="utf-8").splitlines() if flagfile.is_file() else []
    for line in lines:
        name, _, value = line.partition("=")
        if name == "--data_dir" and (Path(value) / MANIFEST_NAME).is_file():
            return value
    return None


if __name__ == "__main__":
    program.run(main, required=("workdir",))
