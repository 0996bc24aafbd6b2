"""Latency, load time, memory and size of converted files. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from aec_ofa_tf.export.latency import ROUNDS, load_with_clip
from aec_ofa_tf.tagging.interpreter import TFLiteModel, interpreter_class
from aec_ofa_tf.tagging.model_file import ModelInfo
from pipelines.benchmarks.measuring import all_seconds, median_seconds
from pipelines.benchmarks.peak import peak_mib
from pipelines.benchmarks.settings import TFLiteSettings

FRONT_END_KIND = ("front_end", "float32")
_LOADS = 5
_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class ModelFile:
    """A file to measure.

    Attributes:
        name: name of the file in the result.
        path: path of the file.
        info: its model card.
    """

    name: str
    path: Path
    info: ModelInfo

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def kind(self) -> tuple[str, str]:
        """Input and quantisation; ("front_end", "float32") for a front end without classifier."""
        return (self.info.input, self.info.quantization) if self.info.labels else FRONT_END_KIND

    @property
    def bytes(self) -> int:
        """Size of the file, including labels and card."""
        return self.path.stat().st_size

    @property
    def bytes_over_weights(self) -> float:
        """Ratio of the file's size to that of its weights in float32."""
        return self.bytes / (_BYTES_PER_WEIGHT * self.info.params)


def describe_files(files: Sequence[ModelFile], settings: TFLiteSettings) -> list[dict[str, object]]:
    """Measures all files, which take turns; returns a row per file.

    Latency is the time of an invocation in ms. Load time includes reading, checking and preparing
    the file, from a warm disk cache. Peak memory is that of loading and two clips, without the
    interpreter's library, in a separate process. For a file with waveform input, `front_end_ms` and
    `body_ms` are the latencies of its front end and of the file with log-mel input, the same subnet
    and the same quantisation, if these are among the files.
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


@dataclass(frozen=True)
class OverHandwritten:
    """A file compared with its hand-written counterpart.

    Attributes:
        file: name of the file.
        ratio: the file's median latency over the counterpart's.
        latency_ms: the file's median latency.
        handwritten_ms: the counterpart's.
        bytes_over_handwritten: the file's size over the counterpart's.
    """

    file: str
    ratio: float
    latency_ms: float
    handwritten_ms: float
    bytes_over_handwritten: float


def over_handwritten(file: ModelFile, twin: ModelFile, settings: TFLiteSettings) -> OverHandwritten:
    """Ratio of a file's median latency to that of its hand-written counterpart.

    The two take turns. Both are loaded several times, because the location of a model's memory
    affects its latency too.
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
    return OverHandwritten(
        file=file.name,
        ratio=own / other,
        latency_ms=1e3 * own,
        handwritten_ms=1e3 * other,
        bytes_over_handwritten=file.bytes / twin.bytes,
    )


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
    """Loads the file, sets a clip as its input and invokes it once."""
    return load_with_clip(file.path, threads)


def _prepare(path: str, threads: int) -> Callable[[], None]:
    """The function that `peak_mib` measures: load the file, then run two clips."""
    interpreter_class()  # loads the interpreter's library, which does not count
    return lambda: load_with_clip(path, threads).invoke()
