"""Scalars, pictures and evaluated subnets for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from aec_ofa_tf.models.space import SearchSpace, Subnet


class SummaryLog:
    """Writes TensorBoard events.

    Args:
        directory: directory of the event files; None writes nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._writer = (
            tf.summary.create_noop_writer()
            if directory is None
            else tf.summary.create_file_writer(str(directory))
        )

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes each value under its name at `step`."""
        with self._writing():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def image(self, step: int, name: str, png: Path) -> None:
        """Writes a PNG file under a name."""
        picture = tf.io.decode_png(tf.io.read_file(str(png)), channels=3)
        with self._writing():
            tf.summary.image(name, picture[None], step=step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._writer.as_default():
                yield
            self._writer.flush()
        except tf.errors.OpError as error:
            raise OSError(
                f"TensorBoard's events could not be written to {self._directory}: {error.message}"
            ) from error


def write_sessions(
    directory: Path, values: Mapping[Subnet, Mapping[str, float]], space: SearchSpace
) -> None:
    """Replaces the HParams sessions in a directory by one finished session per subnet.

    Args:
        directory: directory of the sessions, with a folder per subnet.
        values: costs and metrics by subnet.
        space: search space of the subnets; their choices become hyperparameters.
    """
    _remove_events(directory)
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


def _remove_events(directory: Path) -> None:
    """Removes TensorBoard's files and the folders that are empty without them, nothing else."""
    for path in directory.rglob("events.out.tfevents.*"):
        path.unlink()
    for folder in sorted((p for p in directory.rglob("*") if p.is_dir()), reverse=True):
        with suppress(OSError):  # it holds something else
            folder.rmdir()


def _choices(subnet: Subnet, space: SearchSpace) -> dict[str, float]:
    return {f"block{block}_{name}": value for block, name, value in space.hyperparameters(subnet)}
