"""Scalars for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf


class SummaryLog:
    """Writes scalars as TensorBoard events.

    Args:
        directory: where the event files go; None writes nothing.
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
