r"""Measures on this machine what the README claims of speed and memory.

python -m pipelines.benchmark --suite=train_step --out=docs/results/train_step.json

Ten minutes to half an hour on two cores at the default sizes, CNN10's. A minute, to try it:
python -m pipelines.benchmark --base_channels=4 --frames=40 --draws=2 --repetitions=1 \
    --loop_steps=20

python -m pipelines.benchmark --suite=search --out=docs/results/search.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from absl import flags

from aec_ofa_tf.spec import NetworkConfig, SearchSpace, search_space
from pipelines import program
from pipelines.suites.settings import PRECISIONS, TrainStepSettings
from tfrecords.files import replacing

FLAGS = flags.FLAGS
SUITES = ("train_step", "search")
flags.DEFINE_enum("suite", SUITES[0], SUITES, "What to measure.")
flags.DEFINE_string("out", None, "File that gets the result too, indented.")
flags.DEFINE_string("space", "[2,2,X]", "Search space, as for train.")
flags.DEFINE_integer("base_channels", 64, "Channels of the first block; each next doubles.", 1)
flags.DEFINE_integer("classes", 527, "Classes of the classifier.", 1)
flags.DEFINE_integer("frames", 250, "Log-mel frames of a clip, 10 ms each.", 16)
flags.DEFINE_integer("batch_size", 8, "Clips of a step.", 1)
flags.DEFINE_integer("subnets_per_step", 4, "K, the subnets of a step.", 1)
flags.DEFINE_integer("draws", 12, "Draws of K subnets, with the seeds 0, 1, ...", 1)
flags.DEFINE_integer("repetitions", 3, "Measurements per draw, in alternating order.", 1)
flags.DEFINE_integer(
    "loop_steps", 100, "Steps of the loop, in blocks of 20, and as many without it.", 1
)
flags.DEFINE_integer("clips", 64, "Suite search: clips to calibrate, and to evaluate on.", 1)
flags.DEFINE_integer("random_draws", 100, "Suite search: single evaluations to compare with.", 1)
flags.DEFINE_integer("walks", 3, "Suite search: walks of the tree.", 1)
flags.DEFINE_list("precisions", list(PRECISIONS), "float32 and mixed_bfloat16, or float32 alone.")
flags.DEFINE_integer(
    "bfloat16_draws",
    None,
    "Draws in bfloat16. Default: all --draws where the CPU computes in it; one, measured once, "
    "where it is emulated and a step takes a minute.",
    1,
)


def main(_: list[str]) -> dict[str, Any]:
    """Runs `--suite`; see the module's docstring."""
    space = search_space(FLAGS.space, FLAGS.base_channels)
    network = NetworkConfig(FLAGS.classes, FLAGS.frames, embedding_units=space.full_widths[-1])
    suites = {"train_step": _run_train_step, "search": _run_search}
    result = {"suite": FLAGS.suite, **suites[FLAGS.suite](space, network)}
    if FLAGS.out:
        with replacing(Path(FLAGS.out)) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="ascii")
    return result


def _run_train_step(space: SearchSpace, network: NetworkConfig) -> dict[str, Any]:
    settings = TrainStepSettings(
        space=space,
        network=network,
        batch_size=FLAGS.batch_size,
        subnets_per_step=FLAGS.subnets_per_step,
        draws=FLAGS.draws,
        repetitions=FLAGS.repetitions,
        loop_steps=FLAGS.loop_steps,
        precisions=tuple(FLAGS.precisions),
        bfloat16_draws=FLAGS.bfloat16_draws,
    )
    from pipelines.suites.train_step import run_train_step

    return run_train_step(settings)


def _run_search(space: SearchSpace, network: NetworkConfig) -> dict[str, Any]:
    from pipelines.suites.search import SearchSettings, run_search_suite

    return run_search_suite(
        SearchSettings(
            space=space,
            network=network,
            batch_size=FLAGS.batch_size,
            clips=FLAGS.clips,
            random_draws=FLAGS.random_draws,
            walks=FLAGS.walks,
        )
    )


if __name__ == "__main__":
    program.run(main)
