r"""Measures speed and memory on this machine, as docs/results.md reports them.

python -m pipelines.benchmark --suite=train_step --out=docs/results/train_step.json

It takes ten to thirty minutes on two cores at the default sizes, those of CNN10. To try it in a
minute:
python -m pipelines.benchmark --base_channels=4 --frames=40 --draws=2 --repetitions=1 \
    --loop_steps=20

Of MobileNets on clips of 5 s:
python -m pipelines.benchmark --space=mn04 --front_end=efficientat_32k --frames=500 \
    --precisions=float32 --out=docs/results/train_step_mn04.json

python -m pipelines.benchmark --suite=search --out=docs/results/search.json

Recordings to records, beside a plain script; records to batches, beside a training step:
python -m pipelines.benchmark --suite=prepare --out=docs/results/prepare.json
python -m pipelines.benchmark --suite=input --out=docs/results/input.json

Latency of TFLite files on clips of 10 s; without --model, of files with random weights:
python -m pipelines.benchmark --suite=tflite --out=docs/results/tflite.json
python -m pipelines.benchmark --suite=tflite --threads=2 \
    --model=runs/demo/phone/log_mel-float32.tflite --model=runs/demo/phone/waveform-int8.tflite

Costs on NPUs by tables of layers, and by Vela of whole subnets:
python -m pipelines.benchmark --suite=npu --space=mn04 --classes=12 --frames=100 \
    --out=docs/results/npu_mobilenet.json
"""

from __future__ import annotations

import json
from pathlib import Path

from absl import flags

from aec_ofa_tf.files import replacing
from pipelines import program
from pipelines.flags import benchmark

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "File to which the result is written too, indented.")
flags.adopt_module_key_flags(benchmark)


def main(_: list[str]) -> dict[str, object]:
    """Runs `--suite`; see the module's docstring."""
    program.check_out(FLAGS.out)
    suites = {
        benchmark.TRAIN_STEP: _train_step,
        benchmark.SEARCH: _search,
        benchmark.TFLITE: _tflite,
        benchmark.PREPARE: _prepare,
        benchmark.INPUT: _input,
        benchmark.NPU: _npu,
    }
    result = {"suite": FLAGS.suite, **suites[FLAGS.suite]()}
    if FLAGS.out:
        with replacing(Path(FLAGS.out)) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="ascii")
    return result


def _train_step() -> dict[str, object]:
    settings = benchmark.train_step_settings()
    from pipelines.benchmarks.train_step import run_train_step

    return run_train_step(settings)


def _search() -> dict[str, object]:
    settings = benchmark.search_settings()
    from pipelines.benchmarks.search import run_search_suite

    return run_search_suite(settings)


def _tflite() -> dict[str, object]:
    settings = benchmark.tflite_settings()
    from pipelines.benchmarks.tflite import run_tflite_suite

    return run_tflite_suite(settings)


def _prepare() -> dict[str, object]:
    settings = benchmark.prepare_settings()
    from pipelines.benchmarks.preparation import run_prepare_suite

    return run_prepare_suite(settings)


def _input() -> dict[str, object]:
    settings = benchmark.train_step_settings()
    from pipelines.benchmarks.input_rate import run_input_suite

    return run_input_suite(settings)


def _npu() -> dict[str, object]:
    settings = benchmark.npu_settings()
    from pipelines.benchmarks.npu import run_npu_suite

    return run_npu_suite(settings)


if __name__ == "__main__":
    program.run(main)
