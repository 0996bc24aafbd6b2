"""Scalars and pictures for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf


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
