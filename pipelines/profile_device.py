r"""Measures the layers of a search space on this machine, for budgets on `latency_ms`.

python -m pipelines.profile_device --out=table.json
python -m pipelines.profile_device --workdir=runs/demo --quantization=int8 --out=table.json

For budgets on NPUs such as `ethos_u55_128_ms`, Vela compiles the layers; no board is needed:
python -m pipelines.profile_device --workdir=runs/demo --target=ethos-u55-128 --out=npu.json
python -m pipelines.profile_device --space=mn04 --classes=12 --frames=100 \
    --target=ethos-u55-32,ethos-u55-128,ethos-u85-256 --out=npu.json

It takes two minutes on one core at the default sizes, those of CNN10. Random subnets are measured
as a whole too, to compare them with the sums of their layers. docs/latency_table.md describes the
file, docs/microcontrollers.md that for NPUs.
"""

from __future__ import annotations

import platform
from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.costs.npu import check_accelerators
from aec_ofa_tf.files import write_json
from aec_ofa_tf.micro.targets import require_vela
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import experiment, naming_flags, read
from pipelines.flags import space as space_flags

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
space_flags.define_space_flags(leave_out=("task", "block_dropout", "embedding_dropout"))
flags.DEFINE_integer("seed", 0, "Seed of the draw of --check_subnets.", 0, 2**31 - 1)
flags.DEFINE_string("out", None, "File of the latency table.")
flags.DEFINE_string(
    "device", f"{platform.machine()} {platform.system()}", "Name of the device in the table."
)
flags.DEFINE_integer("classes", 527, "Classes of the classifier, unless --workdir is given.", 1)
flags.DEFINE_integer("frames", 250, "Log-mel frames of a clip, unless --workdir is given.", 16)
flags.DEFINE_integer("mel_bins", 64, "Mel bins of a frame, unless --workdir is given.", 16)
flags.DEFINE_integer("threads", 1, "Threads of the interpreter.", 1)
flags.DEFINE_integer(
    "repetitions", 15, "Measurements of each layer and subnet; their median is reported.", 1
)
flags.DEFINE_enum(
    "quantization", "float32", ["float32", "int8"], "Quantisation of the measured layers."
)
flags.DEFINE_list(
    "target", [], "NPUs by Vela's names, such as ethos-u55-128, for which to compile the layers."
)
flags.DEFINE_integer("check_subnets", 20, "Number of random subnets to measure as a whole.", 0)
_OF_A_DEVICE = ("device", "quantization", "threads", "repetitions")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(experiment)
flags.adopt_module_key_flags(space_flags)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Writes `--out`; see the module's docstring."""
    program.check_out(FLAGS.out)
    space, network = _space_and_network()
    if FLAGS.target:
        return _profile_npus(space, network)
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


def _profile_npus(space: SearchSpace, network: NetworkConfig) -> dict[str, object]:
    """Writes the table of layers on the NPUs of `--target`."""
    given = [f"--{name}" for name in _OF_A_DEVICE if FLAGS[name].present]
    if given:
        raise ValueError(
            f"{', '.join(given)} cannot be used with --target, whose int8 files Vela compiles"
        )
    check_accelerators(FLAGS.target)
    require_vela()
    from aec_ofa_tf.micro.npu_profile import profile_npus

    table = profile_npus(space, network, FLAGS.target, FLAGS.check_subnets, FLAGS.seed)
    table.save(FLAGS.out)
    check = table.extra.get("check", {})
    return {"out": FLAGS.out, "layers": len(table.layers), **check.get("costs", {})}


def _space_and_network() -> tuple[SearchSpace, NetworkConfig]:
    if FLAGS.workdir:
        return Workdir(Path(FLAGS.workdir)).space_and_network()
    space = space_flags.space_from_flags()
    sizes = FLAGS.classes, FLAGS.frames, FLAGS.mel_bins
    return space, read(NetworkOptions).network(space, *sizes, single_label=False)


if __name__ == "__main__":
    program.run(main, required=("out",))
