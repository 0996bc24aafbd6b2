"""What the converter's child process is asked to do. No TensorFlow here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FRONT_END = "front_end"
"""A job's content that has no network, and the name scope of the front end in every graph."""

JOBS_FILE = "jobs.json"
_LOG_FILE = "log.txt"
_LOG_LINES = 15


@dataclass(frozen=True)
class ConversionJob:
    """One TFLite file to make; files are named within the folder that parent and child share.

    Attributes:
        content: "log_mel" (the network), "waveform" (front end and network) or "front_end".
        quantization: one of `bundle.QUANTIZATIONS`.
        samples: samples of a clip.
        front_end: fields of the `FrontEndConfig`.
        output: name of the TFLite file.
        model: name of the `.keras` file, or "" for a front end; for "int8_qat" the path of a
            SavedModel folder that `fine_tune` wrote.
        representative: name of the `.npy` with the int8 calibration clips, or "".
        integer_input: whether an int8 or int8_qat log-mel file takes integers instead of float32.
        integer_output: whether it gives integers.
    """

    content: str
    quantization: str
    samples: int
    front_end: dict[str, float]
    output: str
    model: str = ""
    representative: str = ""
    integer_input: bool = False
    integer_output: bool = False


def write_jobs(jobs: Sequence[ConversionJob], folder: Path) -> None:
    """Leaves the jobs for the child that will run in `folder`."""
    (folder / JOBS_FILE).write_text(json.dumps([asdict(job) for job in jobs]), encoding="utf-8")


def read_jobs(folder: Path) -> list[ConversionJob]:
    """Reads what `write_jobs` wrote."""
    return [ConversionJob(**job) for job in json.loads((folder / JOBS_FILE).read_text("utf-8"))]


def run_child(
    arguments: Sequence[str],
    folder: Path,
    purpose: str,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Runs Python with `arguments` in a process of its own, in `folder`.

    A converter that aborts takes its whole process with it; here it ends the child alone.

    Args:
        arguments: what follows `python`, for example ["-m", module].
        folder: the child's working directory; its log is kept there.
        purpose: what the child is for, to be named in the error.
        on_line: is given every line that the child prints, as it does, without the line's end.

    Raises:
        RuntimeError: the child failed; the message ends with the last lines of its log.
    """
    log = folder / _LOG_FILE
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, *arguments],
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


def _child_environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("TF_USE_LEGACY_KERAS", None)
    environment["KERAS_BACKEND"] = "tensorflow"
    # Conversion is work for the CPU, and the parent may hold all of the GPU's memory.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    # Errors (3 and above) only: notices would push the cause out of the end of the log.
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
