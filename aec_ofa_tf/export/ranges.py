"""Searched ranges of an int8 file's activations, for the child process that converts.

A scale covers the range of values that the representative clips had. A single loud value thereby
makes the scale coarse for all others, which matters most in the first layers of networks whose
channels have unequal ranges, as those of MobileNets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

Ranges = Mapping[int, tuple[float, float]]
"""Lowest and highest value by the number of a tensor."""

Quantize = Callable[[bytes], bytes]
"""From a float file with ranges to an int8 file with float input and output."""

FACTORS = (0.85, 0.7, 0.6, 0.5, 0.42, 0.35)
"""What a range is multiplied by; fine steps, since it matters how the steps of a scale fall."""

SEARCHED_CLIPS = 64
"""The greatest number of clips on which files are compared."""

_PROBES = (0.7, 0.42)
_HARMLESS = 1.0
_GAIN = 0.97
_SAME_SCALE = frozenset({"PAD", "MAX_POOL_2D", "RESHAPE", "AVERAGE_POOL_2D"})
_FIXED = frozenset({"SOFTMAX", "LOGISTIC"})
_HARD_SWISH = "HARD_SWISH"
_HARD_SWISH_ZERO = -3.0  # hard-swish is 0 below
_HARD_SWISH_LOWEST = (_HARD_SWISH_ZERO, -0.375)
"""Lowest values that matter of the input and of the output of a hard-swish."""
_CLOSE = 0.01
_MAGIC = b"TFL3"


@dataclass(frozen=True)
class RangeSearch:
    """What a search of ranges found.

    Attributes:
        ranges: the ranges.
        error: root of the mean squared error of the scores.
        error_before: the same with the ranges of the representative clips.
    """

    ranges: Ranges
    error: float
    error_before: float


def search_ranges(
    calibrated: bytes, float_file: bytes, clips: np.ndarray, quantize: Quantize
) -> RangeSearch:
    """Narrows ranges one after another, where that improves the scores.

    Values beyond a range saturate. Below -3 that changes nothing for the input of a hard-swish.

    Args:
        calibrated: a float TFLite file with the ranges of the representative clips, one float32
            input and output.
        float_file: the same network without ranges; its scores are the aim.
        clips: float32 [clips, frames, mel_bins] in dB.
        quantize: makes an int8 file of `calibrated` with other ranges.
    """
    graph = _Graph(calibrated)
    pairs = mixtures(clips)
    wanted = scores_of(float_file, pairs)

    def error(ranges: Ranges) -> float:
        scores = scores_of(quantize(with_ranges(calibrated, ranges)), pairs)
        return float(np.sqrt(np.mean(np.square(scores - wanted))))

    before = error(graph.ranges)
    ranges: Ranges = graph.without_zeros()
    best = error(ranges)
    probes = [
        min(error(_narrowed(ranges, group, factor)) for factor in _PROBES)
        for group in graph.groups()
    ]
    order = np.argsort(probes, kind="stable")  # what gains most comes first
    for group in (graph.groups()[place] for place in order if probes[place] < best * _HARMLESS):
        trials = [_narrowed(ranges, group, factor) for factor in FACTORS]
        errors = [error(trial) for trial in trials]
        least = int(np.argmin(errors))
        if errors[least] < _GAIN * best:
            best, ranges = errors[least], trials[least]
    return RangeSearch(ranges, best, before) if best < before else _unchanged(graph, before)


def mixtures(clips: np.ndarray) -> np.ndarray:
    """Pairs of clips that sound together: at most `SEARCHED_CLIPS`, [pairs, frames, mel_bins].

    The louder of two clips in a bin is nearly all of their sum.

    The network was trained on the clips themselves: their scores are near 0 and 1, where errors
    do not show.
    """
    clips = clips[: 2 * SEARCHED_CLIPS]
    return np.maximum(clips, np.roll(clips, 1, axis=0))[: max(len(clips) // 2, 1)]


def with_ranges(calibrated: bytes, ranges: Ranges) -> bytes:
    """A calibrated file with other ranges of some tensors."""
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    tensors = model.subgraphs[0].tensors
    for number, (low, high) in ranges.items():
        tensors[number].quantization.min = np.array([low], np.float32)
        tensors[number].quantization.max = np.array([high], np.float32)
    builder = flatbuffers.Builder(len(calibrated))
    builder.Finish(model.Pack(builder), _MAGIC)
    return bytes(builder.Output())


def scores_of(tflite_file: bytes, clips: np.ndarray) -> np.ndarray:
    """The scores of clips, float32 [clips, classes], by TensorFlow's own interpreter."""
    interpreter = tf.lite.Interpreter(model_content=tflite_file)
    interpreter.allocate_tensors()
    (given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()
    scores = []
    for clip in clips:
        interpreter.set_tensor(given["index"], clip[None])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(returned["index"])[0])
    return np.array(scores)


class _Graph:
    """The activations of a calibrated file that have ranges."""

    def __init__(self, calibrated: bytes) -> None:
        model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
        (graph,) = model.subgraphs
        names = {v: k for k, v in vars(schema.BuiltinOperator).items() if k[0] != "_"}
        codes = [
            names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes
        ]
        self.ranges = {
            number: (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
            for number, tensor in enumerate(graph.tensors)
            if _has_range(tensor)
        }
        self._users: dict[int, list[str]] = {}
        self._convolved: set[int] = set()
        self._maker: dict[int, tuple[str, int]] = {}
        for operator in graph.operators:
            code = codes[operator.opcodeIndex]
            for number in operator.inputs:
                self._users.setdefault(int(number), []).append(code)
            is_convolved = "CONV" in code or self._convolved.intersection(operator.inputs.tolist())
            for number in operator.outputs:
                self._maker[int(number)] = code, int(operator.inputs[0])
                if is_convolved:
                    self._convolved.add(int(number))

    def without_zeros(self) -> Ranges:
        """The ranges without what hard-swish sets to 0 anyway."""
        return {
            number: (max(low, _HARD_SWISH_ZERO), high)
            if self._only_swished(number)
            else (low, high)
            for number, (low, high) in self.ranges.items()
        }

    def groups(self) -> Sequence[Sequence[int]]:
        """Tensors whose ranges are narrowed together: of one scale, or around a hard-swish.

        What comes before the first convolution is left out: its range is that of sounds.
        """
        place: dict[int, list[int]] = {}
        found: list[list[int]] = []
        for number in self.ranges:
            code, source = self._maker.get(number, ("", -1))
            if code in _FIXED or number not in self._convolved:
                continue
            if code in _SAME_SCALE | {_HARD_SWISH} and source in place:
                place[number] = place[source]
                place[number].append(number)
            elif code:
                place[number] = [number]
                found.append(place[number])
        return found

    def _only_swished(self, number: int) -> bool:
        users = self._users.get(number, [])
        return bool(users) and set(users) == {_HARD_SWISH}


def _has_range(tensor: schema.TensorT) -> bool:
    quantization = tensor.quantization
    return quantization is not None and quantization.min is not None and len(quantization.min) == 1


def _narrowed(ranges: Ranges, group: Sequence[int], factor: float) -> Ranges:
    """The ranges with those of a group multiplied; the ends of a hard-swish stay."""
    changed = {}
    for number in group:
        low, high = ranges[number]
        is_bounded = any(abs(low - end) < _CLOSE for end in _HARD_SWISH_LOWEST)
        changed[number] = (low if is_bounded else factor * low, factor * high)
    return {**ranges, **changed}


def _unchanged(graph: _Graph, error: float) -> RangeSearch:
    return RangeSearch(graph.ranges, error, error)
