"""Kills prepare, train and search at random moments and compares what they end with.

python -m tests.soak.kills --kills=52 --out=docs/results/kills.json

Every program runs once unbroken. Then it is started in a fresh folder, killed (SIGKILL) at a random
moment, started again with the same command, and so on; what it ends with must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ("--dataset=synthetic", "--payload=log_mel", "--clip_secs=0.64", "--clips_per_shard=8")
CLIPS = ("--train_clips=320", "--validation_clips=24", "--evaluation_clips=24")
NETWORK = (
    "--base_channels=4",
    "--teacher_base_channels=4",
    "--batch_size=8",
    "--calibration_clips=16",
    "--teacher_steps=40",
    "--largest_steps=10",
    "--supernet_steps=30",
    "--checkpoint_every=4",
)
BUDGETS = ("--budget=params<=8k", "--budget=params=9k+-2k")
KILLS_OF_A_ROUND = 6
SHARES = {"prepare": 0.5, "train": 0.25, "search": 0.25}


@dataclass(frozen=True)
class Case:
    """A program that is killed.

    Attributes:
        command: from its folder to the command line.
        start: prepares the folder.
        outcome: from the folder to what must not depend on kills.
    """

    command: Callable[[Path], list[str]]
    start: Callable[[Path], None]
    outcome: Callable[[Path], Any]


def run(kills: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Kills the programs `kills` times in all.

    Returns:
        The kills of each program by the share of its unbroken run's time at which they came, how
        often it was started afresh, and the number of differing results.
    """
    began, rng = time.monotonic(), random.Random(seed)  # noqa: S311
    result = {}
    for name, case in _cases(folder).items():
        result[name] = _soak(name, case, round(SHARES[name] * kills), folder, rng)
    return {
        "kills": sum(row["kills"] for row in result.values()),
        "different": sum(row["different"] for row in result.values()),
        "seconds": round(time.monotonic() - began),
        "programs": result,
    }


def _soak(name: str, case: Case, kills: int, folder: Path, rng: random.Random) -> dict[str, Any]:
    unbroken, broken = folder / f"{name}-unbroken", folder / f"{name}-broken"
    case.start(unbroken)
    began = time.monotonic()
    _finish(case.command(unbroken))
    whole_secs = time.monotonic() - began
    expected = case.outcome(unbroken)
    moments: list[float] = []
    rounds = different = 0
    while len(moments) < kills:
        shutil.rmtree(broken, ignore_errors=True)
        case.start(broken)
        rounds += 1
        for _ in range(min(KILLS_OF_A_ROUND, kills - len(moments))):
            share = rng.random()
            if not _killed(case.command(broken), share * whole_secs):
                break
            moments.append(round(share, 2))
        _finish(case.command(broken))
        different += case.outcome(broken) != expected
        print(f"{name}: {len(moments)} kills, {different} different", file=sys.stderr)
    row = {"kills": len(moments), "starts_afresh": rounds, "different": different}
    return {**row, "unbroken_secs": round(whole_secs, 1), "moments": moments}


def _killed(command: list[str], after_secs: float) -> bool:
    """Starts a command and kills it after a time; False if it had ended by then."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, log = process.communicate(timeout=after_secs)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{log.decode()}")
    return False


def _finish(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


def _cases(folder: Path) -> dict[str, Case]:
    data, trained = folder / "prepare-unbroken", folder / "train-unbroken"
    places = [f"--data_dir={data}"]
    stages = "--stages=teacher,soft_labels,supernet"
    train = [*DATA, *CLIPS, *NETWORK, stages, *places]
    return {
        "prepare": Case(
            lambda out: _program("prepare", *DATA, *CLIPS, f"--data_dir={out}"),
            lambda out: None,
            _digests,
        ),
        "train": Case(
            lambda out: _program("train", *train, f"--workdir={out}"), lambda out: None, _weights
        ),
        "search": Case(
            lambda out: _program("search", *BUDGETS, *places, f"--workdir={out}"),
            lambda out: shutil.copytree(trained, out) and None,
            lambda out: json.loads((out / "search" / "result.json").read_text()),
        ),
    }


def _program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"pipelines.{name}", *arguments]


def _digests(folder: Path) -> dict[str, str]:
    """The bytes of every file but the lock."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def _weights(workdir: Path) -> dict[str, Any]:
    """Results of the stages, soft labels, and every value of the last checkpoints."""
    import tensorflow as tf

    found: dict[str, Any] = dict(_digests(workdir / "soft_labels"))
    for stage in ("teacher", "supernet"):
        found[stage] = json.loads((workdir / "stages" / f"{stage}.json").read_text())
        places = (workdir / "checkpoints" / stage).glob("step-*.index")
        last = max(places, key=lambda path: int(path.stem.removeprefix("step-")))
        reader = tf.train.load_checkpoint(str(last.with_suffix("")))
        for name in reader.get_variable_to_shape_map():
            if name.endswith("VARIABLE_VALUE") and "save_counter" not in name:
                value = reader.get_tensor(name)
                found[f"{stage}/{name}"] = hashlib.sha256(value.tobytes()).hexdigest()
    return found


def main() -> None:
    """Runs the soak; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=52)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(args.kills, Path(folder), args.seed)
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)
    sys.exit(bool(result["different"]))


if __name__ == "__main__":
    main()
