"""Feeds damaged recordings to the sound readers, each within bounds on time and memory.

    nice python -m tests.fuzz.fuzz_sound --cases=100000 --out=docs/results/fuzz_sound.json

Hypothesis draws a recording and its damage. A child process decodes some hundred cases, from a
file and from a pipe. What is wrong: a crash, a case that takes longer than 10 s, memory that
grows by more than 1 GiB, an exception other than DecodeError, a waveform that is not finite or
longer than asked for. The bytes of such a case are kept in --failures.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import numpy as np
import soundfile
from hypothesis import strategies as st

from aec_ofa_tf.audio.io.decode import DecodeError, decode
from tests.fuzz.corpus import recordings
from tests.fuzz.damage import damaged

SECS_PER_CASE = 10.0
BYTES_PER_CASE = 1 << 30
MAX_SAMPLES = 32000
_CASES_PER_CHILD = 500
_ROOT = Path(__file__).parents[2]


def run(cases: int, failures: Path, workers: int = 1, seed: int = 0) -> dict[str, Any]:
    """Decodes that many damaged recordings, equally many of each format.

    Args:
        cases: at least as many as there are formats.
        failures: folder for the bytes of cases that went wrong.
        workers: child processes at a time.
        seed: the same seed draws the same cases.

    Returns:
        What the JSON file holds.
    """
    begin = time.perf_counter()
    formats = list(recordings())
    jobs = []
    for number, form in enumerate(formats):
        left = cases // len(formats) + (number < cases % len(formats))
        while left > 0:
            jobs.append((form, min(left, _CASES_PER_CHILD), seed + len(jobs)))
            left -= _CASES_PER_CHILD
    totals: dict[str, Counter[str]] = {form: Counter() for form in formats}
    peaks: Counter[str] = Counter()
    with ThreadPoolExecutor(workers) as pool:
        for (form, _, _), counts in zip(
            jobs, pool.map(lambda job: _child(*job, failures), jobs), strict=True
        ):
            for name in ("slowest_secs", "peak_mib"):
                peaks[name] = max(peaks[name], counts.pop(name, 0))
            totals[form].update(counts)
    return {
        "cases": sum(total["cases"] for total in totals.values()),
        "wrong": sum(total[kind] for total in totals.values() for kind in _WRONG),
        "formats": {form: dict(sorted(total.items())) for form, total in totals.items()},
        "slowest_secs": round(peaks["slowest_secs"], 3),
        "peak_mib": peaks["peak_mib"],
        "bounds": {"secs_per_case": SECS_PER_CASE, "mib_per_case": BYTES_PER_CASE >> 20},
        "seed": seed,
        "secs": round(time.perf_counter() - begin, 1),
        "python": platform.python_version(),
        "libsndfile": soundfile.__libsndfile_version__,
        "hypothesis": hypothesis.__version__,
    }


_WRONG = ("crashes", "hangs", "allocations", "exceptions", "wrong_waveforms")


def _child(form: str, cases: int, seed: int, failures: Path) -> Counter[str]:
    """Counts of a child's cases; a case that ends the child is counted by how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.fuzz_sound", f"--child={form}"]
        command += [f"--cases={cases}", f"--seed={seed}", f"--folder={folder}"]
        command += [f"--failures={failures}"]
        result = subprocess.run(
            command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        counts = Counter(json.loads((Path(folder) / "counts").read_text()))
        if result.returncode:
            case = Path(folder) / "case"
            if not case.exists():
                raise RuntimeError(result.stderr.decode(errors="replace"))
            is_hang = b"Timeout (" in result.stderr
            counts["hangs" if is_hang else "crashes"] += 1
            counts["cases"] += 1
            _keep(case, failures, f"{form}-{seed}-{counts['cases']}")
            (failures / f"{form}-{seed}.txt").write_bytes(result.stderr)
        return counts


def _keep(case: Path, failures: Path, name: str) -> None:
    failures.mkdir(parents=True, exist_ok=True)
    (failures / name).write_bytes(case.read_bytes())


def _decode_cases(form: str, cases: int, seed: int, folder: Path, failures: Path) -> None:
    """Runs in the child: decodes its cases one by one, and writes the counts after each."""
    counts: Counter[str] = Counter()
    case = folder / "case"
    samples = recordings()[form]
    _limit_memory()
    rss_before = _peak_rss_mib()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.randoms(use_true_random=True))
    def one(random: Random) -> None:
        data = damaged(samples, random)
        (folder / "counts").write_text(json.dumps(counts))
        case.write_bytes(data)
        faulthandler.dump_traceback_later(SECS_PER_CASE, exit=True)
        begin = time.perf_counter()
        outcome = _outcome(case, data, by_pipe=counts["cases"] % 4 == 3)
        faulthandler.cancel_dump_traceback_later()
        counts["slowest_secs"] = max(counts["slowest_secs"], time.perf_counter() - begin)
        counts["peak_mib"] = _peak_rss_mib() - rss_before
        counts[outcome] += 1
        counts["cases"] += 1
        if outcome in _WRONG:
            _keep(case, failures, f"{form}-{seed}-{counts['cases']}-{outcome}")

    one()
    (folder / "counts").write_text(json.dumps(counts))


def _outcome(case: Path, data: bytes, by_pipe: bool) -> str:
    try:
        if by_pipe:
            waveform = _decode_pipe(data)
        else:
            waveform = decode(case, 16000, max_samples=MAX_SAMPLES).waveform
    except DecodeError:
        return "refused"
    except MemoryError:
        return "allocations"
    except Exception as error:  # whatever it is, it is counted, and its bytes are kept
        print(repr(error), file=sys.stderr)
        return "exceptions"
    is_right = 0 < len(waveform) <= MAX_SAMPLES and np.isfinite(waveform).all()
    return "decoded" if is_right else "wrong_waveforms"


def _decode_pipe(data: bytes) -> np.ndarray:
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(OSError), open(writing, "wb") as pipe:  # noqa: PTH123
            pipe.write(data)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        return decode(f"/dev/fd/{reading}", 16000, max_samples=MAX_SAMPLES).waveform
    finally:
        os.close(reading)
        thread.join(SECS_PER_CASE)


def _limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + BYTES_PER_CASE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_rss_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--failures", type=Path, default=Path("/tmp/fuzz_sound"))  # noqa: S108
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        _decode_cases(args.child, args.cases, args.seed, args.folder, args.failures)
        return
    text = json.dumps(run(args.cases, args.failures, args.workers, args.seed), indent=2) + "\n"
    if args.out:
        args.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
