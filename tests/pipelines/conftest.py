"""The whole path once, on a tiny synthetic set, for all tests of programs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

ROOT = Path(__file__).parents[2]
RANK_SWAP = 0.02
"""What the mAP on 24 clips may change where scores closer than rounding change places."""


@dataclass(frozen=True)
class Finished:
    """A program that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON of the last line."""
        assert self.code == 0, self.stderr[-3000:]
        return json.loads(self.stdout.splitlines()[-1])


def run_program(name: str, *arguments: object) -> Finished:
    """`python -m pipelines.NAME` in a process of its own."""
    done = subprocess.run(
        program(name, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def program(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"pipelines.{name}", *(os.fspath(a) for a in map(str, arguments))]


def final_weights(workdir: Path, step: int) -> list[np.ndarray]:
    """Weights, optimiser and position in the supernet's checkpoint of a step."""
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / "supernet" / f"step-{step}"))
    return [
        reader.get_tensor(name)
        for name in sorted(reader.get_variable_to_shape_map())
        if name.endswith("VARIABLE_VALUE") and "save_counter" not in name
    ]


def reached(folder: Path, step: int) -> bool:
    """Whether a checkpoint of at least this step is there."""
    names = [path.stem for path in folder.glob("step-*.index")]
    return any(int(name.removeprefix("step-")) >= step for name in names)


TINY = (
    "--dataset=synthetic",
    "--payload=audio",
    "--clip_secs=0.64",
    "--train_clips=48",
    "--validation_clips=24",
    "--evaluation_clips=24",
    "--base_channels=4",
    "--teacher_base_channels=4",
    "--batch_size=8",
    "--calibration_clips=16",
    "--teacher_steps=12",
    "--largest_steps=4",
    "--supernet_steps=8",
    "--checkpoint_every=4",
    "--population=3",
    "--budget=params<=8k",
    "--budget=params=9k+-2k",
    "--parity_clips=24",
    # So little trained a network gives nearly equal scores, whose order int8 may turn around.
    "--max_map_drop=0.2",
    "--representative_clips=12",
)


@dataclass(frozen=True)
class Trained:
    """A finished experiment."""

    data_dir: Path
    workdir: Path
    result: dict[str, Any]

    @property
    def flags(self) -> list[str]:
        return [*TINY, f"--data_dir={self.data_dir}", f"--workdir={self.workdir}"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("experiment")
    data_dir, workdir = folder / "data", folder / "run"
    flags = [*TINY, f"--data_dir={data_dir}", f"--workdir={workdir}"]
    done = run_program("train", *flags, "--input=log_mel,waveform", "--quantization=float32,int8")
    return Trained(data_dir, workdir, done.result)


def export(trained: Trained) -> Path:
    """Folder of the files of one budget."""
    return trained.workdir / "export" / "params_max_8k"


@contextmanager
def changed(path: Path) -> Iterator[Any]:
    """The JSON in a file, which gets what becomes of it."""
    value = json.loads(path.read_text())
    yield value
    path.write_text(json.dumps(value))
