r"""Trains a supernet and hands back TFLite models: the whole path, stage by stage.

python -m pipelines.train --flagfile=pipelines/configs/quickstart.flags

Stages: prepare, teacher, soft_labels, supernet, search, convert; and subnet, a single network
trained alone. Each resumes where it was stopped and is skipped when it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags, logging

import pipelines.flags
from pipelines import program
from pipelines import training_flags as training
from pipelines.flags import define_prepare_flags
from pipelines.preflight import (
    check_budgets,
    conversion_kinds,
    described_by_flags,
    space_from_flags,
)
from pipelines.prepare import prepare_from_flags
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
STAGES = ("prepare", "teacher", "soft_labels", "supernet", "search", "convert")
define_prepare_flags()
training.define_workdir_flag()
training.define_space_flags()
training.define_training_flags()
training.define_evaluation_flags()
training.define_subnet_flag()
training.define_subnet_training_flags()
training.define_search_flags()
training.define_conversion_flags()
flags.DEFINE_list("stages", list(STAGES), f"Any of {', '.join(STAGES)}, subnet; in this order.")
flags.adopt_module_key_flags(pipelines.flags)
flags.adopt_module_key_flags(training)
flags.mark_flags_as_required(["workdir", "data_dir"])


def main(_: list[str]) -> dict[str, Any]:
    """Runs `--stages`; see the module's docstring."""
    unknown = sorted(set(FLAGS.stages) - {*STAGES, "subnet"})
    if unknown:
        raise ValueError(f"unknown --stages {unknown}; there are {', '.join(STAGES)} and subnet")
    space_from_flags()  # a mistyped space is an error before data is prepared
    results: dict[str, Any] = {}
    if "prepare" in FLAGS.stages:
        results["prepare"] = _timed("prepare", lambda: prepare_from_flags().summary())
    _preflight()
    if set(FLAGS.stages) - {"prepare"}:
        from pipelines.stages.run import run_stages

        results.update(run_stages(FLAGS.stages, _timed))
    return {"workdir": FLAGS.workdir, "stages": results}


def _preflight() -> None:
    """Tells before any training what search and conversion would refuse after it."""
    if "search" in FLAGS.stages:
        check_budgets(*described_by_flags())
    if "convert" in FLAGS.stages:
        conversion_kinds(load_manifest(Path(FLAGS.data_dir)).configuration["payload"])


def _timed(name: str, stage: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    logging.info("stage %s", name)
    began = time.monotonic()
    result = stage()
    return {**result, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    program.run(main)
