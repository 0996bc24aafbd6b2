r"""Means over finished runs of one experiment: the folds of a cross-validation, or several seeds.

for fold in 1 2 3 4 5; do
  python -m pipelines.train --flagfile=esc10.flags --source=PATH_TO_ESC10 \
      --eval_folds=$fold --validation_folds=$((fold > 1 ? fold - 1 : 5)) \
      --data_dir=runs/esc10-$fold/data --workdir=runs/esc10-$fold
done
python -m pipelines.average runs/esc10-?
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from aec_ofa_tf.averaging import FILE_COLUMNS, NETWORK_COLUMNS, average
from aec_ofa_tf.files import write_json
from aec_ofa_tf.terminal import show
from aec_ofa_tf.workdir import Workdir
from pipelines import program

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "File to which the result is written too, indented.")


def main(runs: list[str]) -> dict[str, object]:
    """Averages the searches and conversions of `runs`; see the module's docstring."""
    if not runs:
        raise ValueError("no runs given: name the --workdir of each")
    program.check_out(FLAGS.out)
    from aec_ofa_tf.reporting.tables import shown  # needs more than the core install

    averages = average([Workdir(Path(run)) for run in runs])
    networks = [mean.as_dict("network") for mean in averages.networks]
    files = [mean.as_dict("file") for mean in averages.files]
    for rows, columns in ((networks, NETWORK_COLUMNS), (files, FILE_COLUMNS)):
        show(f"\n{shown(rows, columns)}")
    result = averages.as_dict()
    if FLAGS.out:
        write_json(Path(FLAGS.out), result)
    return result


if __name__ == "__main__":
    FLAGS.set_gnu_getopt()  # flags may follow runs
    program.run(main, takes_files=True, uses_keras=False)
