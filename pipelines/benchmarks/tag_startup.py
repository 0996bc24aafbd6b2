"""Measures how long `pipelines.tag` takes to tag one clip, start included. No TensorFlow here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import soundfile

from pipelines.benchmarks.clips import synthetic_clips
from pipelines.benchmarks.tflite_files import ModelFile

_STARTS = 7


def tag_startup(files: Sequence[ModelFile], threads: int) -> dict[str, object]:
    """Runs `pipelines.tag` on a WAV file of one clip, from a warm disk cache.

    Args:
        files: any files; the float32 file with waveform input and the most parameters is used.
        threads: threads of the interpreter.

    Returns:
        `secs`: median of the seconds from the start to the end of the process; `every`: the seconds
        of every run; `file`: name of the file; `clip_secs`. `secs` and `file` are None if there is
        no such file.

    Raises:
        RuntimeError: the program failed.
    """
    found = [file for file in files if file.kind == ("waveform", "float32")]
    if not found:
        return {"secs": None, "file": None}
    file = max(found, key=lambda file: file.info.params)
    info = file.info
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "clip.wav")
        clip = synthetic_clips(info.clip_samples, info.sample_rate_hz)["chirp"]
        soundfile.write(wav, clip, info.sample_rate_hz, subtype="PCM_16")
        command = [sys.executable, "-m", "pipelines.tag", f"--model={file.path}"]
        command += [f"--threads={threads}", str(wav)]
        every = [_run(command) for _ in range(_STARTS + 1)][1:]
    clip_secs = info.clip_samples / info.sample_rate_hz
    return {"secs": median(every), "every": every, "file": file.name, "clip_secs": clip_secs}


def _run(command: Sequence[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds
