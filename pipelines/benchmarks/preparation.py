"""The suite `prepare`: recordings to records, beside a plain script of one process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from aec_ofa_tf.reporting.machine import describe_machine
from aec_ofa_tf.terminal import progress
from pipelines.benchmarks.measuring import OtherLoad, all_seconds, rounded, warned
from pipelines.benchmarks.settings import PrepareSettings

_RATE_HZ = 44100
_CLASSES = ("a", "b")


def run_prepare_suite(settings: PrepareSettings) -> dict[str, object]:
    """Runs `prepare` and the plain script in turns, each in a process of its own.

    Returns:
        `ratio_over_plain`: how many times as fast `prepare` is; `clips_per_second`; the seconds of
        every run, start of the process included; and `ratio_without_start`, where the seconds of
        the same program on one clip are subtracted.

    Raises:
        RuntimeError: a process failed.
    """
    with tempfile.TemporaryDirectory() as name:
        many, one = Path(name, "many"), Path(name, "one")
        _write_recordings(many, settings.clips, settings.clip_secs)
        _write_recordings(one, len(_CLASSES), settings.clip_secs)
        load = OtherLoad()
        seconds = {
            kind: all_seconds(_candidates(source, settings.clip_secs), settings.repetitions)
            for kind, source in (("many", many), ("one", one))
        }
        share = warned(load.share())
    best = {
        kind: {name: min(every) for name, every in runs.items()} for kind, runs in seconds.items()
    }
    work = {name: best["many"][name] - best["one"][name] for name in best["many"]}
    return rounded(
        {
            "ratio_over_plain": best["many"]["plain"] / best["many"]["prepare"],
            "ratio_without_start": work["plain"] / work["prepare"],
            "clips_per_second": {name: settings.clips / best["many"][name] for name in work},
            "seconds": seconds["many"],
            "seconds_of_start": seconds["one"],
            "clips": settings.clips,
            "clip_secs": settings.clip_secs,
            "sample_rate_hz": _RATE_HZ,
            "machine": {**describe_machine().as_dict(), "share_of_other_programs": share},
        }
    )


def _candidates(source: Path, clip_secs: float) -> dict[str, Callable[[], None]]:
    return {
        "prepare": partial(_prepare, source, clip_secs),
        "plain": partial(_plain, source, clip_secs),
    }


def _prepare(source: Path, clip_secs: float) -> None:
    split = ["--validation_fraction=0", "--evaluation_fraction=0"]
    with tempfile.TemporaryDirectory() as out:
        places = [f"--source={source}", f"--data_dir={out}/data", f"--clip_secs={clip_secs}"]
        _run(["-m", "pipelines.prepare", "--dataset=folder", *split, *places])


def _plain(source: Path, clip_secs: float) -> None:
    with tempfile.TemporaryDirectory() as out:
        arguments = [str(source), f"{out}/records.tfrecord", str(clip_secs)]
        _run(["-m", "pipelines.benchmarks.plain_prepare", *arguments])


def _run(arguments: list[str]) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


def _write_recordings(folder: Path, clips: int, clip_secs: float) -> None:
    """Writes WAV files of noise, in a folder per class."""
    generator = np.random.default_rng(0)
    for name in _CLASSES:
        (folder / name).mkdir(parents=True)
    for number in progress(range(clips), desc="recordings", unit="file"):
        noise = 0.1 * generator.standard_normal(round(clip_secs * _RATE_HZ), np.float32)
        path = folder / _CLASSES[number % len(_CLASSES)] / f"{number}.wav"
        soundfile.write(path, noise, _RATE_HZ, subtype="PCM_16")
