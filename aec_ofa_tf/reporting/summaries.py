"""Scalars, pictures, sounds and texts for TensorBoard.

TensorBoard's first page, Time Series, opens the first two groups of names in alphabetical order; a
group is what stands before the first `/`. The names in this project put Pareto fronts (`front/`)
and losses (`loss/`) there, before `optimizer/`, `search/`, `speed/`, `subnet/`, `training_clips/`
and `validation/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf


class SummaryLog:
    """Writes TensorBoard events.

    Args:
        directory: directory of the event files; None writes nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._writer = (
            tf.summary.create_noop_writer()
            if directory is None
            else tf.summary.create_file_writer(str(directory))
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes each value under its name at `step`."""
        with self._writing():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def image(self, step: int, name: str, png: bytes) -> None:
        """Writes the content of a PNG file under a name."""
        picture = tf.io.decode_png(png, channels=3)
        with self._writing():
            tf.summary.image(name, picture[None], step=step)

    def audio(self, step: int, name: str, waveforms: np.ndarray, rate_hz: int) -> None:
        """Writes waveforms under a name.

        Args:
            step: number of the step.
            name: the name.
            waveforms: float32 [clips, samples] in [-1, 1].
            rate_hz: sample rate.
        """
        sounds = np.asarray(waveforms, np.float32)[..., None]
        with self._writing():
            tf.summary.audio(name, sounds, rate_hz, step=step, max_outputs=len(sounds))

    def text(self, step: int, name: str, markdown: str) -> None:
        """Writes a text in Markdown under a name."""
        with self._writing():
            tf.summary.text(name, markdown, step=step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._writer.as_default():
                yield
            self._writer.flush()
        except tf.errors.OpError as error:
            raise OSError(
                f"TensorBoard's events could not be written to {self.directory}: {error.message}"
            ) from error
