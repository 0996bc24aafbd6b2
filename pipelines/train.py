r"""Trains a supernet and exports TFLite models: all stages from recordings to files.

python -m pipelines.train --flagfile=quickstart.flags

Stages: prepare, teacher, soft_labels, supernet, search, convert; and subnet, which trains a single
network alone. A stage that was stopped is resumed; a finished stage is skipped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags, logging

import pipelines.flags
from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.dataset import VALIDATION
from aec_ofa_tf.search.config import require_validation
from aec_ofa_tf.training.device_config import check_devices
from pipelines import program
from pipelines.flags import data, experiment, given, naming_flags
from pipelines.flags.experiment import TrainFlags
from tfrecords.clip import Source
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
data.define_prepare_flags()
experiment.define_train_flags()
for module in (pipelines.flags, data, experiment):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, Any]:
    """Runs `--stages`; see the module's docstring."""
    request = experiment.train_flags()
    check(request)
    experiment.check_given(request.stages, given(sys.argv[1:]))
    results: dict[str, Any] = {}
    if "prepare" in request.stages:
        results["prepare"] = _timed("prepare", lambda: _prepare(request))
    _check_records(request)
    if set(request.stages) - {"prepare"}:
        from pipelines.stages import run_stages

        results |= run_stages(request, FLAGS.workdir, FLAGS.data_dir, FLAGS.subnet, _timed)
    return {"workdir": FLAGS.workdir, "stages": results}


def check(request: TrainFlags) -> None:
    """Checks before anything is prepared or trained that every stage accepts its configuration.

    Raises:
        ValueError: flags contradict each other or the environment.
    """
    for config in (request.teacher, request.supernet, request.subnet):
        if config is not None:
            check_devices(config.train, request.devices)
    if request.devices.strategy == "multiworker" and "prepare" in request.stages:
        raise ValueError(
            "--strategy=multiworker needs prepared records: run `python -m pipelines.prepare` "
            "once, then train without the stage prepare"
        )
    if request.supernet and request.teacher:
        request.supernet.check_teacher(request.teacher, request.space)
    if "subnet" in request.stages and not FLAGS.subnet:
        raise ValueError("--stages=subnet needs --subnet, for example --subnet=0.4")
    if request.search:
        request.search.check_storage()
        request.search.load_latency_table()  # a missing file fails here
    if request.export and "prepare" in request.stages:
        request.export.check_payload(FLAGS.payload)


def _prepare(request: TrainFlags) -> dict[str, Any]:
    def check_source(source: Source, front_end: FrontEndConfig) -> None:
        # Preparation can take hours, after which an impossible budget would be refused.
        experiment.check_budgets(request, len(source.labels), front_end, data.clip_secs())

    return data.prepare_from_flags(check_source).summary()


def _check_records(request: TrainFlags) -> None:
    """Checks against the records that every stage accepts its configuration."""
    manifest = load_manifest(Path(FLAGS.data_dir))
    if request.search:
        require_validation(manifest.clips.get(VALIDATION, 0))
    front_end = FrontEndConfig.from_dict(manifest.configuration["front_end"])
    clip_secs = manifest.configuration["clip_secs"]
    experiment.check_budgets(request, len(manifest.labels), front_end, clip_secs)
    if request.export:
        request.export.check_payload(manifest.configuration["payload"])


def _timed(name: str, stage: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    logging.info("stage %s", name)
    began = time.monotonic()
    result = stage()
    return {**result, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    program.run(main, required=("workdir", "data_dir"))
