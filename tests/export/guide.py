"""Runs the Python code of `docs/on_device.md` as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from aec_ofa_tf.audio.front_end import PANNS

GUIDE = (Path(__file__).parents[2] / "docs" / "on_device.md").read_text(encoding="utf-8")


def run_guide(model: Path | str, waveform: np.ndarray, folder: Path) -> list[dict[str, float]]:
    """The best three labels of every window, by the guide's Python block."""
    done = start_guide(model, waveform, folder)
    assert done.returncode == 0, done.stderr
    windows: list[dict[str, float]] = []
    for line in done.stdout.splitlines():
        if line.endswith(" s"):
            windows.append({})
        else:
            score, label = line.split(maxsplit=1)
            windows[-1][label] = float(score)
    return windows


def start_guide(
    model: Path | str, waveform: np.ndarray, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Runs the guide's Python block on a WAV file."""
    (block,) = re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    recording = folder / "recording.wav"
    soundfile.write(recording, waveform, PANNS.sample_rate_hz, subtype="FLOAT")
    return subprocess.run(
        [sys.executable, "-c", block, str(model), str(recording)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
