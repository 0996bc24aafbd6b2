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
from aec_ofa_tf.dataset import VALIDATION
from aec_ofa_tf.search.config import require_validation
from aec_ofa_tf.training.device_config import check_devices
from pipelines import program
from pipelines.flags import data, experiment, naming_flags
from pipelines.flags.experiment import TrainFlags
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
data.define_prepare_flags()
experiment.define_train_flags()
for module in (pipelines.flags, data, experiment):
    flags.adopt_module_key_flags(module)
flags.mark_flags_as_required(["workdir", "data_dir"])


@naming_flags
def main(_: list[str]) -> dict[str, Any]:
    """Runs `--stages`; see the module's docstring."""
    asked = experiment.train_flags()
    check(asked)
    results: dict[str, Any] = {}
    if "prepare" in asked.stages:
        results["prepare"] = _timed("prepare", lambda: data.prepare_from_flags().summary())
    _check_records(asked)
    if set(asked.stages) - {"prepare"}:
        from pipelines.stages import run_stages

        results |= run_stages(asked, FLAGS.workdir, FLAGS.data_dir, FLAGS.subnet, _timed)
    return {"workdir": FLAGS.workdir, "stages": results}


def check(asked: TrainFlags) -> None:
    """Makes what a later stage would refuse fail before anything is prepared or trained.

    Raises:
        ValueError: flags contradict each other, or the environment does not fit them.
    """
    for config in (asked.teacher, asked.supernet, asked.subnet):
        if config is not None:
            check_devices(config.train, asked.devices)
    if asked.devices.strategy == "multiworker" and "prepare" in asked.stages:
        raise ValueError(
            "--strategy=multiworker reads records that are there: run `python -m "
            "pipelines.prepare` once, then train without the stage prepare"
        )
    if asked.supernet and asked.teacher:
        asked.supernet.check_teacher(asked.teacher, asked.space)
    if "subnet" in asked.stages and not FLAGS.subnet:
        raise ValueError("--stages=subnet needs --subnet, for example --subnet=0.4")
    if asked.search:
        asked.search.check_storage()
    if asked.export and "prepare" in asked.stages:
        asked.export.check_payload(FLAGS.payload)


def _check_records(asked: TrainFlags) -> None:
    """The same for what depends on the records."""
    manifest = load_manifest(Path(FLAGS.data_dir))
    if asked.search:
        require_validation(manifest.clips.get(VALIDATION, 0))
        network = experiment.network_on(manifest, asked.space, asked.options)
        asked.search.members(asked.space, network)
    if asked.export:
        asked.export.check_payload(manifest.configuration["payload"])


def _timed(name: str, stage: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    logging.info("stage %s", name)
    began = time.monotonic()
    result = stage()
    return {**result, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    program.run(main)
