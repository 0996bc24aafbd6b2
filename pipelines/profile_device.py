r"""Measures the layers of a search space on this machine, for budgets on `latency_ms`.

python -m pipelines.profile_device --out=table.json
python -m pipelines.profile_device --workdir=runs/demo --quantization=int8 --out=table.json

Two minutes on one core at the default sizes, CNN10's. The sums of layers are compared with
random subnets measured as a whole. docs/latency_table.md describes the file.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from aec_ofa_tf.files import write_json
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from pipelines import program
from pipelines import training_flags as training
from pipelines.preflight import network_from_flags, space_from_flags, stored_space
from pipelines.workdir import Workdir

FLAGS = flags.FLAGS
training.define_workdir_flag()
training.define_space_flags()
pipelines.flags.define_seed_flag("Of the draw of --check_subnets.")
flags.DEFINE_string("out", None, "The table's file.")
flags.DEFINE_string("device", f"{platform.machine()} {platform.system()}", "The table's name.")
flags.DEFINE_integer("classes", 527, "Classes of the classifier; with --workdir the run's.", 1)
flags.DEFINE_integer("frames", 250, "Log-mel frames of a clip; with --workdir the run's.", 16)
flags.DEFINE_integer("mel_bins", 64, "Mel bins of a frame; with --workdir the run's.", 16)
flags.DEFINE_integer("threads", 1, "Threads of the interpreter.", 1)
flags.DEFINE_integer("repetitions", 15, "Measurements of each layer and subnet; medians count.", 1)
flags.DEFINE_enum("quantization", "float32", ["float32", "int8"], "Of the files to be predicted.")
flags.DEFINE_integer("check_subnets", 20, "Random subnets measured as a whole; 0 for none.", 0)
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flag_as_required("out")


def main(_: list[str]) -> dict[str, Any]:
    """Writes `--out`; see the module's docstring."""
    space, network = _space_and_network()
    from pipelines.benchmarks.device_profile import ProfileSettings, profile_device

    settings = ProfileSettings(
        space=space,
        network=network,
        device=FLAGS.device,
        quantization=FLAGS.quantization,
        threads=FLAGS.threads,
        repetitions=FLAGS.repetitions,
        check_subnets=FLAGS.check_subnets,
        seed=FLAGS.seed,
    )
    table = profile_device(settings)
    write_json(Path(FLAGS.out), table.as_json())
    check = table.extra.get("check", {})
    errors = {name: check[name] for name in ("median_ape", "max_ape") if check}
    return {"out": FLAGS.out, "layers": len(table.layer_ms), **errors}


def _space_and_network() -> tuple[SearchSpace, NetworkConfig]:
    if FLAGS.workdir:
        return stored_space(Workdir(Path(FLAGS.workdir)))
    space = space_from_flags()
    return space, network_from_flags(space, FLAGS.classes, FLAGS.frames, FLAGS.mel_bins)


if __name__ == "__main__":
    program.run(main)
