"""Compares the log-mel of TFLite files with waveform input with librosa's."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from aec_ofa_tf.audio.front_end import ADD, SYMMETRIC, FrontEndConfig
from aec_ofa_tf.audio.mel import KALDI, triangular_filters
from aec_ofa_tf.export.child import FRONT_END
from aec_ofa_tf.tagging.interpreter import interpreter_class
from aec_ofa_tf.tagging.model_file import read_bundle
from pipelines.benchmarks.clips import synthetic_clips
from pipelines.benchmarks.tflite_files import ModelFile

NEAR_DB = 60.0
"""Bins further below a clip's maximum than this are ignored: float32 does not resolve them."""


def require_librosa() -> None:
    """Checks that librosa is installed.

    Raises:
        ValueError: librosa is not installed.
    """
    if importlib.util.find_spec("librosa") is None:
        raise ValueError(
            "the suite tflite compares front ends with librosa, which is not installed: "
            "pip install -e '.[benchmark]'"
        )


def worst_front_end(files: Sequence[ModelFile]) -> dict[str, object]:
    """The largest error of the log-mel in files with waveform input, over many kinds of clips.

    Files with equal quantisation, clip length and front end contain the same front end; only the
    one with the fewest parameters is measured.

    Args:
        files: any files; those with log-mel input are ignored.

    Returns:
        `error_db`: the largest error over files and clips, in bins within 60 dB of a clip's
        maximum, or None without files; `silence_is_finite`: whether the log-mel of digital silence
        is finite; `error_db_by_clip`: file name -> clip -> largest error.
    """
    chosen = {}
    for file in sorted(files, key=lambda file: -file.info.params):
        if file.info.input == "waveform":
            info = file.info
            chosen[f"{file.kind} {info.clip_samples} {info.front_end}"] = file
    errors, finite = {}, []
    for file in chosen.values():
        graph = _FrontEndOf(file)
        errors[file.name] = graph.errors_db()
        finite.append(graph.silence_is_finite())
    return {
        "error_db": max((max(row.values()) for row in errors.values()), default=None),
        "silence_is_finite": all(finite) if finite else None,
        "error_db_by_clip": errors,
    }


class _FrontEndOf:
    """A file that takes a waveform, cut after its front end."""

    def __init__(self, file: ModelFile) -> None:
        content, self._info = read_bundle(file.path)
        graph = cut_after_front_end(content, file.name) if self._info.labels else content
        self._interpreter = interpreter_class()(model_content=graph)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def errors_db(self) -> dict[str, float]:
        """The largest error of every clip, NaN and infinity included."""
        info = self._info
        clips = synthetic_clips(info.clip_samples, info.sample_rate_hz)
        errors = {}
        for name, clip in clips.items():
            waveform = clip.astype(np.float32)
            expected = librosa_log_mel(waveform, info.front_end)
            near = expected > expected.max() - NEAR_DB
            error = np.abs(self._log_mel(waveform) - expected)[near]
            errors[name] = float(np.nan_to_num(error, nan=np.inf).max())
        return errors

    def silence_is_finite(self) -> bool:
        silence = np.zeros(self._info.clip_samples, np.float32)
        return bool(np.isfinite(self._log_mel(silence)).all())

    def _log_mel(self, waveform: np.ndarray) -> np.ndarray:
        """float32 [frames, mel_bins] in dB."""
        self._interpreter.set_tensor(self._input["index"], waveform[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])[0]


def cut_after_front_end(content: bytes, name: str) -> bytes:
    """Removes everything after the front end from a classifier with waveform input.

    An interpreter with the option to preserve all tensors does not help: it computes some operators
    in place and so overwrites the front end's output.

    Args:
        content: the flatbuffer.
        name: name of the file, for the error message.

    Returns:
        A flatbuffer whose output is the log-mel, float32 [1, frames, mel_bins].

    Raises:
        ValueError: the classifier contains no front end.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    (graph,) = model.subgraphs
    prefix = f"{FRONT_END}/".encode()
    ends = [
        place
        for place, operator in enumerate(graph.operators)
        if graph.tensors[operator.outputs[0]].name.startswith(prefix)
    ]
    if not ends:
        raise ValueError(f"{name} takes a waveform and has no operators under {FRONT_END}/")
    graph.operators = graph.operators[: ends[-1] + 1]
    graph.outputs = graph.operators[-1].outputs
    model.signatureDefs = []
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def librosa_log_mel(waveform: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    """The reference log-mel in double precision: float64 [frames, mel_bins] in dB.

    It uses librosa's STFT and filters. librosa has no Kaldi filters, so those are this project's.
    """
    import librosa

    samples = waveform.astype(np.float64)
    if config.pre_emphasis:
        samples = samples[1:] - config.pre_emphasis * samples[:-1]
    spectrum = librosa.stft(
        samples,
        n_fft=config.fft_samples,
        hop_length=config.hop_samples,
        win_length=config.window_samples,
        window=_window(config),
        pad_mode="reflect",
        dtype=np.complex128,
    )
    mel_power = _filters(config).T @ np.abs(spectrum) ** 2
    add = config.power_floor if config.floor_rule == ADD else 0.0
    log_mel = 10.0 * np.log10(np.maximum(mel_power + add, config.power_floor))
    return log_mel.T[: len(waveform) // config.hop_samples]


def _window(config: FrontEndConfig) -> np.ndarray:
    length = config.window_samples
    return np.hanning(length) if config.window == SYMMETRIC else np.hanning(length + 1)[:-1]


def _filters(config: FrontEndConfig) -> np.ndarray:
    import librosa

    edges = config.min_hz, config.max_hz
    sizes = config.sample_rate_hz, config.fft_samples, config.mel_bins
    if config.mel_scale == KALDI:
        return triangular_filters(KALDI, *sizes, *edges)
    rate_hz, fft_samples, mel_bins = sizes
    return librosa.filters.mel(
        sr=rate_hz,
        n_fft=fft_samples,
        n_mels=mel_bins,
        fmin=edges[0],
        fmax=edges[1],
        dtype=np.float64,
    ).T
