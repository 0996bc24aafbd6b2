"""Jobs of the child processes of an export, and how they are run. No TensorFlow here.

TensorFlow's converter aborts its process if it cannot convert a model, and importing
tensorflow-model-optimization changes Keras for the whole process. So both run in child processes,
in a folder with the job as JSON and its arrays as files.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.export.folded_graph import FoldedGraph, graph_from_json
from aec_ofa_tf.export.request import FineTuning
from aec_ofa_tf.terminal import progress

FRONT_END = "front_end"
"""Content of a job without a network, and name scope of the front end in every graph."""

CONVERTER = "aec_ofa_tf.export.tflite_converter"
"""Module of the process that runs the jobs of `write_jobs`."""

TRAINER = "aec_ofa_tf.export.qat_trainer"
"""Module of the process that runs the job of `write_tuning_job`."""

WEIGHTS_FILE = "weights.npz"
CLIPS_FILE = "clips.npy"
TARGETS_FILE = "targets.npy"
CALIBRATION_FILE = "calibration.npy"
TUNED_FILE = "tuned.npz"
TWIN_FOLDER = "twin"
INTERPRETER = sys.executable
"""The Python that runs child processes."""

BEGUN = "begins: "
"""First word of the line that a child prints when it begins a job, or a step of training."""

_DESCRIPTION = 28
"""Characters beside a progress bar."""

_JOBS_FILE = "jobs.json"
_TUNING_JOB_FILE = "tuning.json"
_LOSSES_FILE = "losses.json"
_LOG_FILE = "log.txt"
_LOG_LINES = 15


@dataclass(frozen=True)
class ConversionJob:
    """One TFLite file to make; names of files are relative to the folder of the child process.

    Attributes:
        content: "log_mel" (the network), "waveform" (front end and network) or "front_end".
        quantization: one of `model_file.QUANTIZATIONS`.
        samples: samples of a clip.
        front_end: the parameters of the log-mel.
        output: name of the TFLite file.
        model: name of the `.keras` file, or "" for a front end; for "int8_qat" the path of a
            SavedModel folder that `fine_tune` wrote.
        representative: name of the `.npy` file with the int8 calibration clips, or "".
        integer_input: whether the input of an int8 or int8_qat log-mel file is int8.
        integer_output: whether the output of such a file is int8.
    """

    content: str
    quantization: str
    samples: int
    front_end: FrontEndConfig
    output: str
    model: str = ""
    representative: str = ""
    integer_input: bool = False
    integer_output: bool = False


@dataclass(frozen=True)
class TuningJob:
    """One network to fine-tune twice; its arrays are stored as files in the same folder.

    Attributes:
        graph: the network with folded batch norms.
        task: name of the task, whose loss is minimised.
        settings: steps, learning rate, batch size and seed.
    """

    graph: FoldedGraph
    task: str
    settings: FineTuning


@dataclass(frozen=True)
class TuningLosses:
    """The loss of every step of fine-tuning, before its update.

    Attributes:
        float32: losses of the network in float32.
        int8_qat: losses of the network with simulated int8 arithmetic.
    """

    float32: tuple[float, ...]
    int8_qat: tuple[float, ...]


def require_temporary_folder() -> None:
    """Checks that there is a folder for the temporary files of a conversion.

    Raises:
        OSError: none of the usual folders can be written to.
    """
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise OSError(
            f"conversion needs a folder for temporary files, and none can be written to ({error}): "
            "set TMPDIR to a folder of yours"
        ) from error


def write_jobs(jobs: Sequence[ConversionJob], folder: Path) -> None:
    """Writes the jobs for the converter that will run in `folder`."""
    _write(folder / _JOBS_FILE, [asdict(job) for job in jobs])


def read_jobs(folder: Path) -> list[ConversionJob]:
    """Reads the jobs that `write_jobs` wrote."""
    return [
        ConversionJob(**{**job, "front_end": FrontEndConfig(**job["front_end"])})
        for job in _read(folder / _JOBS_FILE)
    ]


def write_tuning_job(job: TuningJob, folder: Path) -> None:
    """Writes the job for the fine-tuning process that will run in `folder`."""
    _write(folder / _TUNING_JOB_FILE, asdict(job))


def read_tuning_job(folder: Path) -> TuningJob:
    """Reads the job that `write_tuning_job` wrote."""
    job = _read(folder / _TUNING_JOB_FILE)
    return TuningJob(graph_from_json(job["graph"]), job["task"], FineTuning(**job["settings"]))


def write_losses(losses: TuningLosses, folder: Path) -> None:
    """Writes the losses for the parent process."""
    _write(folder / _LOSSES_FILE, asdict(losses))


def read_losses(folder: Path) -> TuningLosses:
    """Reads the losses that `write_losses` wrote."""
    losses = _read(folder / _LOSSES_FILE)
    return TuningLosses(**{name: tuple(values) for name, values in losses.items()})


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def run_child(
    arguments: Sequence[str],
    folder: Path,
    purpose: str,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Runs Python with `arguments` in a child process, in `folder`.

    Args:
        arguments: arguments of `python`, for example ["-m", module].
        folder: the child's working directory; its log is written there.
        purpose: what the child does, for the error message.
        on_line: called with every line, without line end, as soon as the child prints it.

    Raises:
        RuntimeError: the child failed; the message ends with the last lines of its log.
    """
    log = folder / _LOG_FILE
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [INTERPRETER, *arguments],
            cwd=folder,
            env=_child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as child,
    ):
        for line in child.stdout or ():
            stream.write(line)
            on_line(line.decode("utf-8", "replace").rstrip())
        status = child.wait()
    if status:
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-_LOG_LINES:]
        raise RuntimeError(
            f"{purpose} failed: its process {_describe(status)}. The end of its log:\n"
            + "\n".join(f"  {line}" for line in lines)
        )


def run_jobs(
    arguments: Sequence[str], folder: Path, purpose: str, count: int, unit: str = "job"
) -> None:
    """Runs a child as `run_child` does, and shows how many of its jobs are begun.

    Args:
        arguments: arguments of `python`.
        folder: the child's working directory.
        purpose: what the child does, for the error message and beside the progress bar.
        count: number of jobs; the child prints a line that begins with `BEGUN` for each.
        unit: what a job is.
    """
    desc = purpose if len(purpose) <= _DESCRIPTION else f"{purpose[: _DESCRIPTION - 1]}…"
    with progress(desc=desc, unit=unit, total=count) as bar:
        run_child(arguments, folder, purpose, lambda line: bar.update(line.startswith(BEGUN)))


def _child_environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("TF_USE_LEGACY_KERAS", None)
    environment["KERAS_BACKEND"] = "tensorflow"
    # The child runs on the CPU; the parent may have reserved all memory of the GPU.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    # Only errors: with notices, the last lines of the log might not contain the cause.
    environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
    root = str(Path(__file__).resolve().parents[2])
    path = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([root, path] if path else [root])
    return environment


def _describe(status: int) -> str:
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
