"""Latency, load time, memory and size of converted files. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from aec_ofa_tf.export.latency import ROUNDS, load_with_clip
from aec_ofa_tf.tagging.interpreter import TFLiteModel, interpreter_class
from aec_ofa_tf.tagging.model_file import ModelInfo
from pipelines.benchmarks.peak import peak_mib
from pipelines.benchmarks.settings import TFLiteSettings
from pipelines.benchmarks.timing import all_seconds, median_seconds

FRONT_END_KIND = ("front_end", "float32")
_LOADS = 5
_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class ModelFile:
    """A file to measure.

    Attributes:
        name: what the result calls it.
        path: where it is.
        info: its card.
    """

    name: str
    path: Path
    info: ModelInfo

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def kind(self) -> tuple[str, str]:
        """Input and quantisation; of a front end alone ("front_end", "float32")."""
        return (self.info.input, self.info.quantization) if self.info.labels else FRONT_END_KIND

    @property
    def bytes(self) -> int:
        """Its size, labels and card included."""
        return self.path.stat().st_size

    @property
    def bytes_over_weights(self) -> float:
        """Its size over that of its weights in float32."""
        return self.bytes / (_BYTES_PER_WEIGHT * self.info.params)


def describe_files(files: Sequence[ModelFile], settings: TFLiteSettings) -> list[dict[str, Any]]:
    """A row per file. All take turns, so that a machine's moods hit them alike.

    Latency is an invocation's, in ms; load time is reading, checking and preparing the file, from
    a warm disk cache; peak memory is what loading and two clips take beyond the interpreter's
    library, in a process of its own. Of a waveform-in file `front_end_ms` and `body_ms` are those
    of the front end alone and of the log-mel-in file of the same subnet and quantisation, where
    they are among the files.
    """
    loads = {f.name: partial(TFLiteModel, f.path, settings.threads) for f in files}
    load_secs = median_seconds(loads, _LOADS)
    latency = _latency(files, settings)
    rows = []
    for file in files:
        taken = latency[file.name]
        rows.append(
            {
                "file": file.name,
                "subnet": file.info.subnet,
                "input": file.kind[0],
                "quantization": file.kind[1],
                "params": file.info.params,
                "bytes": file.bytes,
                "latency_ms": median(taken),
                "latency_p90_ms": float(np.percentile(taken, 90)),
                "load_ms": 1e3 * load_secs[file.name],
                "peak_memory_mib": peak_mib(_prepare, str(file.path), settings.threads),
                **_apart(file, files, latency),
            }
        )
    return rows


def over_handwritten(file: ModelFile, twin: ModelFile, settings: TFLiteSettings) -> dict[str, Any]:
    """A file's median latency over that of its hand-written equal, the two taking turns.

    Both are loaded anew several times: where a model's memory lies moves its latency too.
    """
    taken: dict[str, list[float]] = {"file": [], "handwritten": []}
    pair = {"file": file, "handwritten": twin}
    for _ in range(ROUNDS):
        models = {name: _open(which, settings.threads) for name, which in pair.items()}
        runs = {name: model.invoke for name, model in models.items()}
        all_seconds(runs, settings.warm_up)
        for name, seconds in all_seconds(runs, -(-settings.repetitions // ROUNDS)).items():
            taken[name] += seconds
        pair = dict(reversed(pair.items()))
    own, other = median(taken["file"]), median(taken["handwritten"])
    return {
        "file": file.name,
        "ratio": own / other,
        "latency_ms": 1e3 * own,
        "handwritten_ms": 1e3 * other,
        "bytes_over_handwritten": file.bytes / twin.bytes,
    }


def _latency(files: Sequence[ModelFile], settings: TFLiteSettings) -> dict[str, list[float]]:
    """Milliseconds of every invocation, by file."""
    models = {file.name: _open(file, settings.threads) for file in files}
    runs = {name: model.invoke for name, model in models.items()}
    all_seconds(runs, settings.warm_up)
    taken = all_seconds(runs, settings.repetitions)
    return {name: [1e3 * seconds for seconds in values] for name, values in taken.items()}


def _apart(
    file: ModelFile, files: Sequence[ModelFile], latency: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Front end and body of a waveform-in file, where both are among the files."""
    if file.kind[0] != "waveform":
        return {}
    bodies = [f for f in files if f.kind == ("log_mel", file.kind[1]) and _same_body(f, file)]
    fronts = [f for f in files if f.kind == FRONT_END_KIND and _same_front_end(f, file)]
    parts = (("front_end_ms", fronts), ("body_ms", bodies))
    return {name: median(latency[found[0].name]) for name, found in parts if found}


def _same_body(one: ModelFile, other: ModelFile) -> bool:
    return one.info.subnet == other.info.subnet and _same_front_end(one, other)


def _same_front_end(one: ModelFile, other: ModelFile) -> bool:
    names = ("clip_samples", "front_end")
    return all(getattr(one.info, name) == getattr(other.info, name) for name in names)


def _open(file: ModelFile, threads: int) -> TFLiteModel:
    """The file, with a clip in it that it has computed."""
    return load_with_clip(file.path, threads)


def _prepare(path: str, threads: int) -> Callable[[], None]:
    """What `peak_mib` runs: load, first clip, and one more."""
    interpreter_class()  # the library itself, which no file is to be charged with
    return lambda: load_with_clip(path, threads).invoke()
