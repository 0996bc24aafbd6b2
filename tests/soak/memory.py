"""Peak memory of prepare for one recording of 1 s that is named 10,000 and 100,000 times.

python -m tests.soak.memory --out=docs/results/prepare_memory.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.recordings import noise, write

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("--dataset=folder", "--front_end=keyword_16k", "--clip_secs=1")
LINKS = 50_000
"""Names of one file; file systems allow about 65,000."""


def run(folder: Path, counts: tuple[int, int] = (10_000, 100_000)) -> dict[str, Any]:
    """Prepares `counts` clips each and compares the peaks of the processes."""
    peaks = {count: _peak_mib(folder / f"{count}", count) for count in counts}
    first, last = (peaks[count] for count in counts)
    growth = 1024 * (last - first) / (counts[1] - counts[0])
    return {
        "peak_mib": peaks,
        "ratio": round(last / first, 3),
        "kib_per_further_clip": round(growth, 3),
    }


def _peak_mib(folder: Path, count: int) -> float:
    for number in range(count):
        if number % LINKS == 0:
            recording = write(folder / f"{number}.wav", noise(1.0, 16000), 16000)
        path = folder / "raw" / "ab"[number % 2] / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(recording)
    places = (f"--source={folder / 'raw'}", f"--data_dir={folder / 'data'}")
    command = [sys.executable, "-m", "pipelines.prepare", *FLAGS, *places]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return round(usage.ru_maxrss / 1024, 1)


def main() -> None:
    """Runs the measurement; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(run(Path(folder)), indent=1) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
