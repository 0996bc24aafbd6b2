"""The whole path once, on a tiny synthetic set, for all tests of programs."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.programs import run_program
from tests.shared import made_once

RANK_SWAP = 0.02
"""What the mAP on 24 clips may change where scores closer than rounding change places."""


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
    "--summary_every=2",
    "--validate_every=6",
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    """A run that is made once; every file of tests has a copy of its own."""
    made = made_once(tmp_path_factory, "experiment", train)
    workdir = tmp_path_factory.mktemp("experiment") / "run"
    shutil.copytree(made.workdir, workdir)
    return replace(made, workdir=workdir)


def train(folder: Path) -> Trained:
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
