"""The learning curves of a run, from the events that its training stages wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aec_ofa_tf.workdir import SEARCH, Workdir

MOST_POINTS = 500
"""Points of a curve; of more, every n-th and the last are kept."""

MOST_CURVES = 12
"""Curves of a chart; TensorBoard has the others."""

_NO_TRAINING = ("soft_labels", SEARCH, "convert")


@dataclass(frozen=True)
class Curve:
    """A scalar over the steps of a stage.

    Attributes:
        name: name of the scalar.
        steps: numbers of steps, ascending.
        values: a value for every step.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """The curves of a stage that share a vertical axis.

    Attributes:
        stage: name of the stage.
        group: what stands before the first `/` in the names of the scalars.
        curves: the first curves of the group.
        left_out: number of the other curves.
    """

    stage: str
    group: str
    curves: tuple[Curve, ...]
    left_out: int


def read_charts(workdir: Workdir) -> tuple[Chart, ...]:
    """The charts of all training stages that have written scalars."""
    stages = (stage for stage in workdir.stages() if stage not in _NO_TRAINING)
    return tuple(chart for stage in stages for chart in _charts(workdir.path, stage))


def _charts(root: Path, stage: str) -> Iterator[Chart]:
    files = sorted((root / "events" / stage).glob("events.out.tfevents.*"))
    groups: dict[str, list[Curve]] = {}
    for name, points in sorted(_scalars(files).items()):
        steps = sorted(points)
        every = math.ceil(len(steps) / MOST_POINTS)
        kept = sorted({*steps[::every], steps[-1]})
        curve = Curve(name, tuple(kept), tuple(points[step] for step in kept))
        groups.setdefault(name.partition("/")[0], []).append(curve)
    for group, curves in groups.items():
        yield Chart(stage, group, tuple(curves[:MOST_CURVES]), max(len(curves) - MOST_CURVES, 0))


def _scalars(files: Sequence[Path]) -> dict[str, dict[int, float]]:
    """Values by scalar and step; of a step that was trained twice, the later one."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[str, dict[int, float]] = {}
    for path in files:
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name not in ("", "scalars"):
                    continue
                number = make_ndarray(value.tensor)
                if np.issubdtype(number.dtype, np.floating) and np.isfinite(number).all():
                    found.setdefault(value.tag, {})[event.step] = float(number.reshape(-1)[0])
    return found
