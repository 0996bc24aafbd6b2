r"""Writes one page about a run, to click and to listen to, which opens offline: report/index.html.

python -m pipelines.report --workdir=runs/demo
python -m pipelines.report --workdir=runs/demo --data_dir=runs/demo-data
python -m pipelines.report --workdir=runs/demo --try_it

--try_it also writes report/try_it/index.html, which tags recordings and the microphone in the
browser. Programs that finish a stage write the report too. It has the Pareto fronts over any two
costs, budgets and winners, files, results per class, learning curves, clips, the data, and the
commands.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import experiment, naming_flags
from tfrecords.manifest import MANIFEST_NAME

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
flags.DEFINE_string(
    "data_dir",
    None,
    "Directory of the run's records. Default: the one that the run was trained on, if it is there.",
)
flags.DEFINE_bool(
    "try_it",
    False,
    "Also write a page that tags recordings and the microphone in the browser, by the TFLite files "
    "that take a waveform. It needs npm once, or --litert_web.",
)
flags.DEFINE_string(
    "litert_web",
    None,
    "Folder in which npm has installed @litertjs/core, the runtime of that page, for computers "
    "without npm or network. Default: npm installs it into the user's cache.",
)
flags.adopt_module_key_flags(experiment)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Writes the report of `--workdir`; see the module's docstring."""
    workdir = Workdir(Path(FLAGS.workdir))
    workdir.config()  # fails for a mistyped name
    made = _try_it(workdir)
    data_dir = FLAGS.data_dir or _trained_on(workdir.path / "flags.txt")
    if not data_dir:
        from aec_ofa_tf.report.page import write_report

        logging.warning("without clips and numbers of the data, for which --data_dir is needed")
        return {"report": str(write_report(workdir)), **made}
    from aec_ofa_tf.experiment import Experiment
    from tfrecords.records import open_records

    run = Experiment.open(workdir.path, open_records(data_dir))
    return {"report": str(run.report()), **made}


def _try_it(workdir: Workdir) -> dict[str, str]:
    """Writes the page that tags in the browser, to which the report then has a link."""
    if not FLAGS.try_it:
        if FLAGS.litert_web is not None:
            raise ValueError("--litert_web is of use only with --try_it: add it")
        return {}
    from aec_ofa_tf.report.try_it import write_try_it  # imports Jinja and Plotly

    return {"try_it": str(write_try_it(workdir, FLAGS.litert_web))}


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
