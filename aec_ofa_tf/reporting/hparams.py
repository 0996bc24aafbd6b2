"""Evaluated subnets as TensorBoard HParams sessions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from aec_ofa_tf.models.space import SearchSpace, Subnet


def write_sessions(
    directory: Path, values: Mapping[Subnet, Mapping[str, float]], space: SearchSpace
) -> None:
    """Replaces the sessions in a directory by one finished session per subnet.

    Args:
        directory: directory of the sessions, with a folder per subnet.
        values: costs and metrics by subnet.
        space: search space of the subnets; their choices become hyperparameters.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for subnet, metrics in values.items():
        writer = tf.summary.create_file_writer(str(directory / str(subnet)))
        with writer.as_default(step=0):
            hparams.hparams(_choices(subnet, space), trial_id=str(subnet))
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
            # Without an end event TensorBoard shows a session with unknown status.
            end = session_end_pb(api_pb2.STATUS_SUCCESS)
            tf.summary.experimental.write_raw_pb(end.SerializeToString())
        writer.close()


def _choices(subnet: Subnet, space: SearchSpace) -> dict[str, float]:
    return {f"block{block}_{name}": value for block, name, value in space.hyperparameters(subnet)}
