r"""Trains a supernet and exports TFLite models: all stages from recordings to files.

python -m pipelines.train --flagfile=quickstart.flags

Stages: prepare, teacher, soft_labels, supernet, search, convert; and subnet, which trains a single
network alone. A stage that was stopped is resumed; a finished stage is skipped. To see first what
would happen, how long it takes and which budgets can be met:
python -m pipelines.train --flagfile=quickstart.flags --dry_run
By the clock instead of step counts, with settings for small data sets:
python -m pipelines.train --source=recordings --train_hours=1 --budget='params<=50k' \
    --data_dir=runs/mine/data --workdir=runs/mine
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from absl import flags, logging

import pipelines.flags
from aec_ofa_tf.terminal import show
from pipelines import preflight, program
from pipelines.flags import data, experiment, given, naming_flags, space, used
from pipelines.flags.experiment import TrainFlags

FLAGS = flags.FLAGS
flags.DEFINE_bool(
    "dry_run",
    False,
    "Tell what would happen, the subnets, and time and disk from a few measured steps; no run "
    "directory and no records are written.",
)
data.define_prepare_flags()
experiment.define_train_flags()
for module in (pipelines.flags, data, experiment, space):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Runs `--stages`; see the module's docstring."""
    request = experiment.train_flags()
    preflight.check_request(request)
    used.check_given(request.stages, given(sys.argv[1:]))
    if FLAGS.dry_run:
        return _dry_run(request)
    results: dict[str, object] = {}
    began = time.monotonic()
    if "prepare" in request.stages:
        results["prepare"] = _timed("prepare", lambda: _prepare(request))
    prepare_secs = time.monotonic() - began
    preflight.check_records(request)
    if set(request.stages) - {"prepare"}:
        from pipelines.stages import run_stages

        places = FLAGS.workdir, FLAGS.data_dir
        results |= run_stages(request, *places, FLAGS.subnet, _timed, prepare_secs)
    return {"workdir": FLAGS.workdir, "stages": results}


def _dry_run(request: TrainFlags) -> dict[str, object]:
    from pipelines.dry_run import plan

    found = plan(request)
    show(str(found))
    return dict(found.as_dict())


def _prepare(request: TrainFlags) -> dict[str, object]:
    return data.prepare_from_flags(partial(preflight.check_source, request=request)).summary()


def _timed(name: str, stage: Callable[[], dict[str, object]]) -> dict[str, object]:
    logging.info("stage %s", name)
    began = time.monotonic()
    result = stage()
    return {**result, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    program.run(main, required=("workdir", "data_dir"))
