r"""Imports a published checkpoint: the start of a supernet, or a tagger at once.

python -m pipelines.import_weights --format=efficientat --checkpoint=mn04_as_mAP_432.pt \
    --workdir=runs/mn04
python -m pipelines.convert --workdir=runs/mn04 --input=waveform --quantization=float32
python -m pipelines.tag --model=runs/mn04/export/waveform-float32.tflite bark.wav

It needs PyTorch: pip install '.[torch]'. No code from the checkpoint is run.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines.flags import data, experiment, naming_flags

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
flags.DEFINE_enum(
    "format",
    "efficientat",
    ["efficientat", "panns"],
    "efficientat: EfficientAT's mn*_as at any width; panns: PANNs' Cnn10.",
)
flags.DEFINE_string("checkpoint", None, "The checkpoint, a PyTorch file.")
flags.DEFINE_float(
    "clip_secs", 10.0, "Length of the clips that the model will get, in seconds.", 0.0
)
flags.DEFINE_integer(
    "mel_bins", None, "Mel bins that the checkpoint was trained with; default: the format's.", 1
)
flags.DEFINE_string(
    "labels",
    None,
    "Text file with the name of every output, a line each; default: AudioSet's 527.",
)
for module in (pipelines.flags, data, experiment):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Imports `--checkpoint` into `--workdir`; see the module's docstring."""
    labels = Path(FLAGS.labels).read_text(encoding="utf-8").splitlines() if FLAGS.labels else None
    from aec_ofa_tf.costs.costs import subnet_costs
    from aec_ofa_tf.pretrained.importing import import_weights

    found = import_weights(
        FLAGS.checkpoint,
        FLAGS.workdir,
        FLAGS.format,
        clip_secs=FLAGS.clip_secs,
        mel_bins=FLAGS.mel_bins,
        labels=labels,
    )
    costs = subnet_costs(found.subnet, found.network, metrics=["params", "macs"])
    return {
        "model": str(found.model_file),
        "space": str(found.space),
        "labels": len(found.labels),
        "front_end": str(found.front_end),
        **costs,
    }


if __name__ == "__main__":
    program.run(main, required=("checkpoint", "workdir"))
