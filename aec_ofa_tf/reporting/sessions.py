"""Searched subnets as sessions of TensorBoard's HParams.

TensorBoard takes every folder with events for a run, and HParams takes one run for one session:
both versions that this project is used with (2.16 and 2.21) read `session_start_info` once per run,
and list the same runs in every tab. If there are more than 40 runs, all of them are unticked, and
every page but HParams opens empty. So only some subnets can be sessions, and the names of their
scalars (`subnet/`) come late in the alphabet, away from what the first page opens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.pr_curve import summary as pr_curve

from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.per_class import frequent_classes

TICKED_RUNS = 40
"""TensorBoard unticks all runs if there are more (`MAX_NUM_RUNS_TO_ENABLE_BY_DEFAULT`)."""

MOST_SESSIONS = 25
"""Sessions of a search; the other runs are those of teacher, supernet, search, and of subnets that
are trained alone."""

_THRESHOLDS = 101
_GROUP = "subnet"


@dataclass(frozen=True)
class Scored:
    """The scores that precision-recall curves are made of.

    Attributes:
        scores: by subnet, float32 [clips, classes] in [0, 1].
        labels: {0, 1} float32 [clips, classes].
        names: names of the classes.
    """

    scores: Mapping[Subnet, np.ndarray]
    labels: np.ndarray
    names: Sequence[str]


def write_sessions(
    directory: Path,
    values: Mapping[Subnet, Mapping[str, float]],
    space: SearchSpace,
    scored: Scored,
) -> None:
    """Replaces all events in a directory by one finished session per subnet.

    Args:
        directory: directory of the sessions, with a folder per subnet.
        values: costs and metrics by subnet. HParams at first shows five, those that come first.
        space: search space of the subnets; their choices become hyperparameters.
        scored: scores of those subnets that get precision-recall curves.
    """
    _remove_events(directory)
    choices = _choices(values, space)
    _write_columns(directory, choices.values(), values.values())
    for subnet, metrics in values.items():
        writer = tf.summary.create_file_writer(str(directory / str(subnet)))
        with writer.as_default(step=0):
            hparams.hparams(choices[subnet], trial_id=str(subnet))
            for name, value in metrics.items():
                tf.summary.scalar(f"{_GROUP}/{name}", value)
            if subnet in scored.scores:
                _write_curves(scored.scores[subnet], scored)
            # Without an end event TensorBoard shows a session with unknown status.
            end = session_end_pb(api_pb2.STATUS_SUCCESS)
            tf.summary.experimental.write_raw_pb(end.SerializeToString())
        writer.close()


def _write_columns(
    directory: Path, choices: Collection[Mapping[str, float]], values: Iterable[Mapping[str, float]]
) -> None:
    """Says which columns HParams has: choices that tell the subnets apart, costs and figures.

    Without this it would show the scalars by the names that they have in other tabs.
    """
    columns = [
        hparams.HParam(name, hparams.RealInterval(min(present), max(present)))
        for name, present in _columns(choices).items()
    ]
    names = dict.fromkeys(name for metrics in values for name in metrics)
    metrics = [hparams.Metric(f"{_GROUP}/{name}", display_name=name) for name in names]
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default(step=0):
        hparams.hparams_config(columns, metrics)
    writer.close()


def _columns(rows: Collection[Mapping[str, float]]) -> dict[str, list[float]]:
    """Values by name of the choices that differ between subnets, each like no other before it.

    The widths of a block's two convolutions are often the same. If nothing differs, all are left.
    """
    found = {name: [float(row[name]) for row in rows] for name in sorted(set().union(*rows))}
    different = {tuple(column): name for name, column in reversed(found.items())}
    several = [name for column, name in different.items() if len(set(column)) > 1]
    return {name: found[name] for name in sorted(several) or found}


def _write_curves(scores: np.ndarray, scored: Scored) -> None:
    """The curve of all classes together, and those of the most frequent classes."""
    labels = scored.labels > 0
    _write_curve("all_classes", scores.ravel(), labels.ravel())
    for index in frequent_classes(scored.labels):
        _write_curve(scored.names[index], scores[:, index], labels[:, index])


def _write_curve(name: str, scores: np.ndarray, labels: np.ndarray) -> None:
    summary = pr_curve.pb(
        f"precision_recall/{name}", labels, np.clip(scores, 0.0, 1.0), num_thresholds=_THRESHOLDS
    )
    tf.summary.experimental.write_raw_pb(summary.SerializeToString())


def _remove_events(directory: Path) -> None:
    """Removes TensorBoard's files and the folders that are empty without them, nothing else."""
    for path in directory.rglob("events.out.tfevents.*"):
        path.unlink()
    for folder in sorted((p for p in directory.rglob("*") if p.is_dir()), reverse=True):
        with suppress(OSError):  # it holds something else
            folder.rmdir()


def _choices(subnets: Iterable[Subnet], space: SearchSpace) -> dict[Subnet, dict[str, float]]:
    """Choices by name for every subnet; those of a unit that a subnet does not have are 0.

    HParams draws no line in parallel coordinates for a session without a value.
    """
    rows = {
        subnet: {
            f"block{block}_{name}": float(v) for block, name, v in space.hyperparameters(subnet)
        }
        for subnet in subnets
    }
    names = sorted(set().union(*rows.values()))
    return {subnet: {name: row.get(name, 0.0) for name in names} for subnet, row in rows.items()}
