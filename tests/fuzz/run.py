"""Feeds damaged files to a reader, each within bounds on time and memory.

    nice python -m tests.fuzz.run sound --cases=102000 --out=docs/results/fuzz_sound.json

The readers are those of `READERS`. Hypothesis draws a file and its damage. A child process reads
some hundred cases. What is wrong: a crash, a case that takes longer than 10 s, memory that grows by
more than 1 GiB, an error that is not the reader's own or does not name the file, a wrong result.
The bytes of such a case are kept in --failures.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile

from tests.fuzz.child import BYTES_PER_CASE, SECS_PER_CASE, WRONG, keep, read_cases
from tests.fuzz.reader import Reader

READERS = ("sound", "tables", "records", "configuration", "models")
_ROOT = Path(__file__).parents[2]
_LIBRARIES = ("hypothesis", "numpy", "tensorflow", "keras", "tflite-runtime")


def load(name: str) -> Reader:
    """The reader of the module with this name."""
    reader: Reader = importlib.import_module(f"tests.fuzz.{name}").READER
    return reader


def run(
    reader: str,
    cases: int,
    failures: Path,
    workers: int = 1,
    seed: int = 0,
    kinds: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Reads that many damaged files, equally many of each kind.

    Args:
        reader: one of `READERS`.
        cases: at least as many as there are kinds.
        failures: folder for the bytes of cases that went wrong.
        workers: child processes at a time.
        seed: the same seed draws the same cases.
        kinds: kinds of files; all by default.

    Returns:
        What the JSON file holds.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loaded = load(reader)
        found = _write_samples(loaded, folder)
        kinds = kinds or found
        totals: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        peaks: Counter[str] = Counter()
        jobs = _jobs(kinds, cases, seed, loaded.cases_per_child)
        with ThreadPoolExecutor(workers) as pool:
            done = pool.map(lambda job: _child(reader, *job, folder, failures), jobs)
            for (kind, _, _), counts in zip(jobs, done, strict=True):
                for peak in ("slowest_secs", "peak_mib"):
                    peaks[peak] = max(peaks[peak], counts.pop(peak, 0))
                totals[kind].update(counts)
    return {
        "reader": reader,
        "cases": sum(total["cases"] for total in totals.values()),
        "wrong": sum(total[kind] for total in totals.values() for kind in WRONG),
        "kinds": {kind: dict(sorted(total.items())) for kind, total in totals.items()},
        "slowest_secs": round(peaks["slowest_secs"], 3),
        "peak_mib": peaks["peak_mib"],
        "bounds": {"secs_per_case": SECS_PER_CASE, "mib_per_case": BYTES_PER_CASE >> 20},
        "seed": seed,
        "secs": round(time.perf_counter() - begin, 1),
        "versions": _versions(),
    }


def _write_samples(reader: Reader, folder: Path) -> tuple[str, ...]:
    (folder / "around").mkdir()
    samples = reader.make(folder / "around")
    for kind, files in samples.items():
        (folder / "samples" / kind).mkdir(parents=True)
        for number, content in enumerate(files):
            (folder / "samples" / kind / f"{number:03d}").write_bytes(content)
    return tuple(samples)


def _jobs(kinds: tuple[str, ...], cases: int, seed: int, most: int) -> list[tuple[str, int, int]]:
    """Kind, number of cases and seed of every child process."""
    jobs: list[tuple[str, int, int]] = []
    for number, kind in enumerate(kinds):
        left = cases // len(kinds) + (number < cases % len(kinds))
        while left > 0:
            jobs.append((kind, min(left, most), seed + len(jobs)))
            left -= most
    return jobs


def _child(
    reader: str, kind: str, cases: int, seed: int, source: Path, failures: Path
) -> Counter[str]:
    """Counts of a child's cases; a case that ends the child is counted by how it ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(source / "around", folder / "around")
        command = [sys.executable, "-m", "tests.fuzz.run", reader, f"--child={kind}"]
        command += [f"--cases={cases}", f"--seed={seed}", f"--folder={folder}"]
        command += [f"--samples={source / 'samples' / kind}", f"--failures={failures}"]
        result = subprocess.run(
            command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        if not (folder / "counts").exists():
            raise RuntimeError(result.stderr.decode(errors="replace"))
        counts = Counter(json.loads((folder / "counts").read_text()))
        if result.returncode:
            is_hang = b"Timeout (" in result.stderr
            counts["hangs" if is_hang else "crashes"] += 1
            counts["cases"] += 1
            keep((folder / "case").read_bytes(), failures, f"{kind}-{seed}-{counts['cases']}")
        if result.returncode or any(counts[name] for name in WRONG):
            keep(result.stderr, failures, f"{kind}-{seed}.txt")
        return counts


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "libsndfile": soundfile.__libsndfile_version__}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--cases", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--failures", type=Path, default=Path("/tmp/fuzz"))  # noqa: S108
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        samples = [path.read_bytes() for path in sorted(args.samples.iterdir())]
        reader = load(args.reader)
        read_cases(reader, args.child, samples, args.cases, args.seed, args.folder, args.failures)
        return
    options = args.workers, args.seed, tuple(args.kind)
    text = json.dumps(run(args.reader, args.cases, args.failures, *options), indent=2) + "\n"
    if args.out:
        args.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
