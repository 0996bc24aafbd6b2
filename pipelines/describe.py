"""Describes what this project has written: what it is, from what, how good, and what takes it next.

python -m pipelines.describe runs/demo
python -m pipelines.describe runs/demo-data runs/demo/checkpoints/supernet/step-2000.index
python -m pipelines.describe model.tflite model.keras

A run directory, a directory of records, imported weights, a checkpoint, a `.keras` or a `.tflite`
file. The description goes to stderr, the same as JSON to stdout.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import aec_ofa_tf as ofa
from aec_ofa_tf.files import write_json
from aec_ofa_tf.terminal import show
from pipelines import program

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "File to which the JSON is written too, indented.")


def main(paths: list[str]) -> dict[str, object]:
    """Describes `paths`; see the module's docstring."""
    if not paths:
        raise ValueError(
            "no path given: name a run directory, a data directory, a checkpoint, or a .keras or "
            ".tflite file"
        )
    program.check_out(FLAGS.out)
    found = [ofa.describe(path) for path in paths]
    show("\n\n".join(map(str, found)))
    result: dict[str, object] = {"descriptions": [one.as_dict() for one in found]}
    if FLAGS.out:
        write_json(Path(FLAGS.out), result)
    return result


if __name__ == "__main__":
    FLAGS.set_gnu_getopt()  # flags may follow paths
    program.run(main, takes_files=True)
