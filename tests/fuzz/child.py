"""The process that reads damaged files: a case that ends it costs no other its count."""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

import hypothesis
from hypothesis import strategies as st

from tests.fuzz.reader import Case, Reader

SECS_PER_CASE = 10.0
BYTES_PER_CASE = 1 << 30
WRONG = ("crashes", "hangs", "allocations", "exceptions", "wrong_results")


def read_cases(
    reader: Reader,
    kind: str,
    samples: list[bytes],
    cases: int,
    seed: int,
    folder: Path,
    failures: Path,
) -> None:
    """Reads cases one by one and writes the counts after each.

    Args:
        reader: the reader.
        kind: kind of the files.
        samples: whole files, which are read first.
        cases: number of cases.
        seed: the same seed draws the same cases.
        folder: a folder with the folder `around` of `Reader.make`.
        failures: folder for the bytes of cases that went wrong.

    Raises:
        RuntimeError: a whole file was not read.
    """
    faulthandler.enable()
    counts: Counter[str] = Counter()
    path = folder / "around" / reader.place.get(kind, "case")
    for number, data in enumerate(samples):
        path.write_bytes(data)
        if not reader.read(Case(kind, path, data, number)):
            raise RuntimeError(f"whole file {number} of {kind} gives a wrong result")
    _limit_memory()
    before = _peak_rss_mib()
    (folder / "counts").write_text(json.dumps(counts))

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
        data = reader.damage(samples, random)
        (folder / "counts").write_text(json.dumps(counts))
        (folder / "case").write_bytes(data)
        path.write_bytes(data)
        faulthandler.dump_traceback_later(SECS_PER_CASE, exit=True)
        begin = time.perf_counter()
        outcome = _outcome(reader, Case(kind, path, data, counts["cases"]))
        faulthandler.cancel_dump_traceback_later()
        counts["slowest_secs"] = max(counts["slowest_secs"], time.perf_counter() - begin)
        counts["peak_mib"] = _peak_rss_mib() - before
        counts[outcome] += 1
        counts["cases"] += 1
        if outcome in WRONG:
            keep(data, failures, f"{kind}-{seed}-{counts['cases']}-{outcome}")

    one()
    (folder / "counts").write_text(json.dumps(counts))


def keep(content: bytes, folder: Path, name: str) -> None:
    """Keeps what a failure leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name.replace("/", "_")).write_bytes(content)


def _outcome(reader: Reader, case: Case) -> str:
    try:
        is_right = reader.read(case)
    except MemoryError:
        return "allocations"
    except Exception as error:  # whatever it is, it is counted, and its bytes are kept
        if reader.is_refusal(case, error):
            return "refused"
        print(f"case {case.number + 1}", file=sys.stderr)
        traceback.print_exception(error, limit=-6)
        return "exceptions"
    return "read" if is_right else "wrong_results"


def _limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + BYTES_PER_CASE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_rss_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
