"""The stages in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipelines.experiment import Experiment, experiment_from_flags
from pipelines.stages.convert import run_convert
from pipelines.stages.search import run_search
from pipelines.stages.soft_labels import run_soft_labels
from pipelines.stages.subnet import run_subnet
from pipelines.stages.supernet import run_supernet
from pipelines.stages.teacher import run_teacher

Result = dict[str, Any]
_RUNNERS: dict[str, Callable[[Experiment], Result]] = {
    "teacher": run_teacher,
    "soft_labels": run_soft_labels,
    "supernet": run_supernet,
    "subnet": run_subnet,
    "search": run_search,
    "convert": run_convert,
}


def run_stages(
    wanted: Sequence[str], timed: Callable[[str, Callable[[], Result]], Result]
) -> dict[str, Result]:
    """Runs the wanted stages on the experiment that the flags describe.

    Args:
        wanted: names of stages; those that are not networks' are passed over.
        timed: runs one stage by name and adds how long it took.

    Returns:
        Each stage's result by name.
    """
    with experiment_from_flags() as experiment:
        return {
            name: timed(name, lambda runner=runner: runner(experiment))  # type: ignore[misc]
            for name, runner in _RUNNERS.items()
            if name in wanted
        }
