r"""Trains a supernet and hands back TFLite models: the whole path, stage by stage.

python -m pipelines.train --flagfile=quickstart.flags

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
from pipelines import preflight, program
from pipelines import training_flags as training
from pipelines.flags import define_prepare_flags
from pipelines.prepare import prepare_from_flags
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
STAGES = ("prepare", "teacher", "soft_labels", "supernet", "search", "convert")
define_prepare_flags()
training.define_workdir_flag()
training.define_space_flags()
training.define_training_flags()
training.define_device_flags()
training.define_evaluation_flags(batch_size=64, clips=1024)
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
    if not FLAGS["stages"].present:
        FLAGS.stages = needed_stages()
    unknown = sorted(set(FLAGS.stages) - {*STAGES, "subnet"})
    if unknown:
        raise ValueError(f"unknown --stages {unknown}; there are {', '.join(STAGES)} and subnet")
    _check_flags()
    results: dict[str, Any] = {}
    if "prepare" in FLAGS.stages:
        results["prepare"] = _timed("prepare", lambda: prepare_from_flags().summary())
    _check_records()
    if set(FLAGS.stages) - {"prepare"}:
        from pipelines.stages.run import run_stages

        results.update(run_stages(FLAGS.stages, _timed))
    return {"workdir": FLAGS.workdir, "stages": results}


def needed_stages() -> list[str]:
    """All stages but those whose products these flags leave unused."""
    unused = {"online": {"soft_labels"}, "largest": {"teacher", "soft_labels"}}
    left_out = unused.get(FLAGS.distill_from, set())
    if FLAGS.supernet_init == "teacher":
        left_out = left_out - {"teacher"}
    if FLAGS.strategy == "multiworker":
        left_out = left_out | {"prepare"}  # hosts share records, which one has prepared
    return [stage for stage in STAGES if stage not in left_out]


def _check_flags() -> None:
    """Tells before anything is prepared or trained what a later stage would refuse."""
    space = preflight.space_from_flags()
    if {"teacher", "supernet", "subnet"} & set(FLAGS.stages):
        preflight.check_training_flags()
    if "supernet" in FLAGS.stages:
        preflight.check_teacher_widths(space)
    if "search" in FLAGS.stages:
        preflight.budgets_from_flags()
        preflight.check_storage()
    if "convert" in FLAGS.stages and "prepare" in FLAGS.stages:
        preflight.conversion_kinds(FLAGS.payload)


def _check_records() -> None:
    """The same for what depends on the records."""
    manifest = load_manifest(Path(FLAGS.data_dir))
    if "search" in FLAGS.stages:
        preflight.require_validation(manifest)
        preflight.check_budgets(*preflight.described_by_flags())
    if "convert" in FLAGS.stages:
        preflight.conversion_kinds(manifest.configuration["payload"])


def _timed(name: str, stage: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    logging.info("stage %s", name)
    began = time.monotonic()
    result = stage()
    return {**result, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    program.run(main)
