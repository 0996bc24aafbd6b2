r"""Scores a model on a split of records.

python -m pipelines.evaluate --model=runs/demo/export/SUBNET/log_mel-int8.tflite \
    --data_dir=runs/demo-data --split=evaluation
python -m pipelines.evaluate --model=runs/demo --subnet=smallest --data_dir=runs/demo-data
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines import training_flags as training
from pipelines.flags import define_data_dir_flag
from tfrecords.clip import SPLITS

FLAGS = flags.FLAGS
define_data_dir_flag()
training.define_evaluation_flags()
training.define_subnet_flag()
flags.DEFINE_string("model", None, "A .tflite, a .keras, or a workdir with --subnet or --teacher.")
flags.DEFINE_enum("split", "evaluation", list(SPLITS), "Which clips.")
flags.DEFINE_bool("teacher", False, "The workdir's teacher.")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flags_as_required(["model", "data_dir"])


def main(_: list[str]) -> dict[str, Any]:
    """Evaluates `--model`; see the module's docstring."""
    model = Path(FLAGS.model)
    if not model.exists():
        raise ValueError(f"--model={model} does not exist")
    if not model.is_dir() and model.suffix not in (".tflite", ".keras"):
        raise ValueError(f"--model={model} is neither a .tflite, a .keras nor a workdir")
    if not model.is_dir() and (FLAGS.subnet or FLAGS.teacher):
        raise ValueError(f"--subnet and --teacher name a model of a workdir, and {model} is a file")
    from pipelines.scoring import evaluate_model

    return {"model": str(model), "split": FLAGS.split, **evaluate_model(model)}


if __name__ == "__main__":
    program.run(main)
