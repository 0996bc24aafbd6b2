"""Scores waveforms of any length on a device. No TensorFlow here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.io.decode import fit_length
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.tagging.results import TagResult
from aec_ofa_tf.tagging.windows import OverallScores, TrailingMean, cut_windows

FRONT_END_FILE = "front_end.tflite"
"""Name of the front end's file, in the folder of the models that take log-mel."""

FitLength = Callable[[np.ndarray, int, str], np.ndarray]
"""(waveform float32 [samples], clip_samples, policy) -> float32 [clip_samples]."""


@dataclass(frozen=True)
class WindowScores:
    """The scores of a part of a waveform.

    Attributes:
        begin_secs: start of the part.
        end_secs: end of the part.
        scores: float32 [classes].
    """

    begin_secs: float
    end_secs: float
    scores: np.ndarray


class Tagger:
    """A TFLite model with its front end, which scores waveforms of any length.

    Audio longer than a clip is cut into windows, the last one aligned to the end, and
    `OverallScores` combines their scores. Shorter audio is fitted to a clip by the model's length
    policy.

    Args:
        path: a classifier's TFLite file, with `front_end.tflite` beside it if it takes log-mel.
        threads: threads of the interpreter.
        fit_length: function that fits a short waveform to the length of a clip; by default the one
            that prepared the training clips.

    Attributes:
        info: the model card.

    Raises:
        ValueError: a file is damaged or not a classifier, or the front end is of another model.
        OSError: a file is missing.

    Example:
        >>> tagger = ofa.Tagger("export/log_mel-int8.tflite")  # doctest: +SKIP
        >>> tagger.tag_file("street.wav", top_k=2)  # doctest: +SKIP
        TagResult(file='street.wav', tags=(Tag(label='Siren', score=0.91), ...), ...)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int = 1,
        *,
        fit_length: FitLength = fit_length,
    ) -> None:
        self._model = TFLiteModel(path, threads)
        self.info = self._model.info
        self._fit_length = fit_length
        if not self.info.labels:
            raise ValueError(f"{path} has no labels: it is not a classifier")
        self._front_end = (
            _open_front_end(Path(path), self.info, threads)
            if self.info.input == "log_mel"
            else None
        )
        first = self._front_end or self._model
        _check_shapes(path, first.input_shape, (self.info.clip_samples,))
        _check_shapes(path, self._model.output_shape, (len(self.info.labels),))
        if self._front_end:
            _check_shapes(path, self._front_end.output_shape, self._model.input_shape)

    def __repr__(self) -> str:
        info = self.info
        clip_secs = info.clip_samples / info.sample_rate_hz
        return (
            f"Tagger({info.network} {info.subnet}, {info.quantization}, {info.input} of "
            f"{clip_secs:g} s at {info.sample_rate_hz} Hz, {len(info.labels)} labels)"
        )

    def tag_file(self, path: str | os.PathLike[str], top_k: int = 3) -> TagResult:
        """Tags a recording of any length, in any format that soundfile reads.

        `recordings.tag_file` has more options.

        Args:
            path: the recording.
            top_k: maximum number of labels to report.

        Raises:
            DecodeError: the recording cannot be read.
        """
        from aec_ofa_tf.tagging import recordings  # imports this module

        return recordings.tag_file(self, path, top_k)

    def tag(self, waveform: np.ndarray) -> np.ndarray:
        """Scores a waveform.

        Args:
            waveform: float32 [samples] at `info.sample_rate_hz`, mono.

        Returns:
            float32 [classes], in the order of `info.labels`.

        Raises:
            ValueError: the waveform is empty, has another rank, is not floating-point, or contains
                NaN or infinite samples.
        """
        waveform = checked_samples(waveform)
        if not waveform.size:
            raise ValueError("expected a waveform of shape [samples], received an empty one")
        return self._overall([waveform])

    def score_windows(
        self,
        blocks: Iterable[np.ndarray],
        hop_secs: float | None = None,
        smoothing_secs: float = 0.0,
    ) -> Iterator[WindowScores]:
        """Scores the windows of a waveform or a live stream, each as soon as it is complete.

        Args:
            blocks: consecutive parts, float32 [samples], at `info.sample_rate_hz`, mono.
            hop_secs: time from the start of a window to the start of the next; None for the length
                of a clip.
            smoothing_secs: scores are means over the windows that began in this time before a
                window; see `TrailingMean`.

        Raises:
            ValueError: the hop is shorter than a sample, a time is not finite, the waveform is
                shorter than a clip and the model's length policy is "crop", or a block is no part
                of a waveform (`checked_samples`).
        """
        hop = self.to_samples(hop_secs) if hop_secs is not None else self.info.clip_samples
        mean = TrailingMean(self.to_samples(smoothing_secs))
        rate_hz = self.info.sample_rate_hz
        samples = map(checked_samples, blocks)
        for window in cut_windows(samples, self.info.clip_samples, hop):
            scores = mean.add(window.begin, self._score(self._clip(window.samples)))
            yield WindowScores(window.begin / rate_hz, window.end / rate_hz, scores)

    def to_samples(self, secs: float) -> int:
        """Converts seconds to samples at the model's sample rate.

        Raises:
            ValueError: the time is negative or not finite.
        """
        samples = secs * self.info.sample_rate_hz
        if not math.isfinite(samples) or samples < 0:
            raise ValueError(f"a time must be finite and not negative, received {secs} seconds")
        return round(samples)

    def _overall(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        overall = OverallScores(self.info.task)
        for window in self.score_windows(blocks):
            scores = overall.add(window.scores)
        return scores

    def _clip(self, samples: np.ndarray) -> np.ndarray:
        clip = self.info.clip_samples
        if len(samples) == clip:
            return samples
        return self._fit_length(samples, clip, self.info.length_policy)

    def _score(self, clip: np.ndarray) -> np.ndarray:
        return self._model.scores(self._front_end.scores(clip) if self._front_end else clip)


def checked_samples(samples: np.ndarray) -> np.ndarray:
    """The samples of a waveform as float32, checked.

    Args:
        samples: floating-point [samples], nominally in [-1, 1].

    Raises:
        ValueError: the samples have another rank or type, or some are NaN, infinite or too large
            for float32.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"expected a waveform of shape [samples], received {samples.shape}")
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"a waveform has floating-point samples in [-1, 1], received {samples.dtype}: divide "
            "integer samples by their full scale, 32768 for int16"
        )
    with np.errstate(over="ignore"):
        samples = samples.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise ValueError("the waveform contains NaN or infinite samples: remove or replace them")
    return samples


def check_front_end(path: Path, front_end: ModelInfo, model: ModelInfo) -> None:
    """Checks that a front end computes the log-mel that a model was trained on.

    Args:
        path: path of the front end.
        front_end: model card of the front end.
        model: model card of the model beside it.

    Raises:
        ValueError: clip length, sample rate or front-end settings differ.
    """
    for name in ("sample_rate_hz", "clip_samples", "front_end"):
        found, needed = getattr(front_end, name), getattr(model, name)
        if found != needed:
            raise ValueError(
                f"{path} belongs to another model: its {name} is {found}, {needed} is needed; "
                "keep models with different clips or front ends in different folders"
            )


def _check_shapes(
    path: str | os.PathLike[str], found: tuple[int, ...], needed: tuple[int, ...]
) -> None:
    """Checks that a card describes its model, before audio is fitted to its numbers."""
    if found != needed:
        raise ValueError(
            f"{path} does not fit its model card or its front end: a tensor has the shape "
            f"{found}, {needed} is needed; convert the model again"
        )


def _open_front_end(model_path: Path, info: ModelInfo, threads: int) -> TFLiteModel:
    path = model_path.parent / FRONT_END_FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{model_path.name} takes log-mel and needs {FRONT_END_FILE} beside it, but {path} "
            "does not exist; copy it from the folder that the model was converted into"
        )
    front_end = TFLiteModel(path, threads)
    check_front_end(path, front_end.info, info)
    return front_end
