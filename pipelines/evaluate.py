r"""Scores a model on a split of records.

python -m pipelines.evaluate --model=runs/demo/export/SUBNET/log_mel-int8.tflite \
    --data_dir=runs/demo-data --split=evaluation
python -m pipelines.evaluate --model=runs/demo --subnet=smallest --data_dir=runs/demo-data

With noise, at other levels, filtered and resampled, from records of --payload=audio:
python -m pipelines.evaluate --model=runs/demo/export/SUBNET/waveform-int8.tflite \
    --data_dir=runs/demo-data --robustness

As a microcontroller computes it (the extra [micro]):
python -m pipelines.evaluate --model=runs/demo/export/SUBNET/log_mel-int8-io_int8.tflite \
    --data_dir=runs/demo-data --interpreter=micro
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.dataset import SPLITS
from aec_ofa_tf.micro.targets import INTERPRETERS, LITERT
from aec_ofa_tf.training.config import EvaluationConfig
from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import data, define, experiment, naming_flags, read

FLAGS = flags.FLAGS
_BATCH_SIZE = 64
data.define_data_dir_flag()
define(EvaluationConfig)
experiment.define_subnet_flag()
flags.DEFINE_string(
    "model", None, "A .tflite file, a .keras file, or a workdir with --subnet or --teacher."
)
flags.DEFINE_enum("split", "evaluation", list(SPLITS), "Split of the records to score on.")
flags.DEFINE_enum(
    "interpreter",
    LITERT,
    INTERPRETERS,
    "What runs a .tflite file; micro: the interpreter for microcontrollers, which takes files of "
    "--io_type=int8.",
)
flags.DEFINE_bool("teacher", False, "Score the teacher of the workdir.")
flags.DEFINE_bool(
    "robustness",
    False,
    "Score clean clips, and the same with white noise, 20 dB softer, with less bandwidth and "
    "resampled from other rates by straight lines and as MediaPipe does. The records hold audio "
    "(prepare --payload=audio). What is of a run is kept there, for its report.",
)
for module in (pipelines.flags, data, experiment):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Evaluates `--model`; see the module's docstring."""
    model = Path(FLAGS.model)
    if not model.exists():
        raise ValueError(f"--model={model} does not exist")
    if not model.is_dir() and model.suffix not in (".tflite", ".keras"):
        raise ValueError(f"--model={model} is neither a .tflite file, a .keras file nor a workdir")
    if not model.is_dir() and (FLAGS.subnet or FLAGS.teacher):
        raise ValueError(f"--subnet and --teacher need a workdir as --model, but {model} is a file")
    if model.suffix != ".tflite" and FLAGS["interpreter"].present:
        raise ValueError(f"--interpreter is for .tflite files, and --model={model} is none")
    if model.is_dir() and bool(FLAGS.subnet) == FLAGS.teacher:
        raise ValueError(f"{model} is a workdir: choose its model by --subnet or --teacher")
    if model.is_dir() and FLAGS.subnet:
        Workdir(model).space_and_network()[0].parse_subnet(FLAGS.subnet)
    from tfrecords.records import open_records

    records, config = open_records(FLAGS.data_dir), read(EvaluationConfig)
    counts = records.manifest.class_counts
    data.warn_of_gaps(counts, (FLAGS.split,))
    gaps = [gap.as_dict() for gap in counts.gaps if gap.split == FLAGS.split]
    result: dict[str, object] = {"model": str(model), "split": FLAGS.split, "class_gaps": gaps}
    if FLAGS.robustness:
        from pipelines.robustness import robustness_of

        return {**result, "robustness": robustness_of(model, records, config).as_dict()}
    if not model.is_dir():
        from aec_ofa_tf.export.scoring import evaluate_file

        batch_size = config.batch_size or _BATCH_SIZE
        found = evaluate_file(model, records, FLAGS.split, batch_size, FLAGS.interpreter)
        return {**result, "interpreter": FLAGS.interpreter, **found.as_dict()}
    from aec_ofa_tf.experiment import Experiment

    run = Experiment.open(model, records)
    if FLAGS.teacher:
        return {**result, **run.evaluate_teacher(FLAGS.split, config).as_dict()}
    subnet = run.subnet(FLAGS.subnet)
    evaluation = run.evaluate(subnet, FLAGS.split, config)
    return {**result, "subnet": str(subnet), **evaluation.as_dict()}


if __name__ == "__main__":
    program.run(main, required=("model", "data_dir"))
