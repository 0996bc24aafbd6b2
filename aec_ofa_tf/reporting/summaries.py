"""Scalars and pictures for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf


class SummaryLog:
    """Writes TensorBoard events.

    Args:
        directory: directory of the event files; None writes nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._writer = (
            tf.summary.create_noop_writer()
            if directory is None
            else tf.summary.create_file_writer(str(directory))
        )

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes each value under its name at `step`."""
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)
        self._writer.flush()

    def image(self, step: int, name: str, png: Path) -> None:
        """Writes a PNG file under a name."""
        picture = tf.io.decode_png(tf.io.read_file(str(png)), channels=3)
        with self._writer.as_default():
            tf.summary.image(name, picture[None], step=step)
        self._writer.flush()
