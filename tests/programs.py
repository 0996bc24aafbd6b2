"""Programs in processes of their own that need not import TensorFlow again.

A server imports TensorFlow and others, which takes four seconds and starts no thread. Every program
runs in a fork of the server, as `python -m MODULE` would run it, and so does what
`tests/forked_python` is asked to run: the child processes of an export. What a program imports and
what it prints at its start is tested in new interpreters instead: `run_afresh`.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from aec_ofa_tf.export import child

ROOT = Path(__file__).parents[1]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["pipelines", "tensorflow", "aec_ofa_tf.pinned_keras", "aec_ofa_tf.experiment", "optuna"]
)
FORKED_PYTHON = str(ROOT / "tests" / "forked_python")
_ADDRESS = "TESTS_FORKED_PYTHON"


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


class Running:
    """A program at work.

    Args:
        module: its name, as after `python -m`.
        arguments: its command line.
        environment: variables besides those of this process.
        folder: where it runs.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[object],
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._outputs = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        for path in self._outputs:
            path.touch()
        variables = {**os.environ, **(environment or {})}
        texts = [os.fspath(str(one)) for one in arguments]
        work = (module, texts, self._outputs, variables, folder)
        self._process = _FORKS.Process(target=_run, args=work)
        self._process.start()

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return not self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def finished(self, timeout_secs: float | None = None) -> Finished:
        """Waits for its end; `-number` is the code of one that a signal ended. Call it once.

        Raises:
            TimeoutError: it still runs; it is killed then.
        """
        self._process.join(timeout_secs)
        with self._folder:
            stdout, stderr = (path.read_text() for path in self._outputs)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(stderr)
        return Finished(self._process.exitcode, stdout, stderr)

    def wait_until(self, is_reached) -> None:
        """Returns when a condition holds, or the program has ended."""
        while not self.has_ended and not is_reached():
            time.sleep(0.01)


def _run(
    module: str,
    arguments: list[str],
    outputs: list[Path],
    environment: dict[str, str],
    folder: Path = ROOT,
) -> None:
    for number, path in enumerate(outputs, start=1):
        file = os.open(path, os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    child.INTERPRETER = FORKED_PYTHON
    sys.argv = [str(ROOT.joinpath(*module.split(".")).with_suffix(".py")), *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # Python calls these at the end of an interpreter, but not of a fork.
        atexit._run_exitfuncs()


class _Request(socketserver.StreamRequestHandler):
    """What a `tests/forked_python` asks for: a module, to be run in its place."""

    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        outputs = [Path(f"/proc/{asked['pid']}/fd/{number}") for number in (1, 2)]
        work = (asked["module"], asked["arguments"], outputs, asked["environment"], asked["folder"])
        process = _FORKS.Process(target=_run, args=work)
        process.start()
        process.join()
        self.wfile.write(f"{process.exitcode}\n".encode())


def serve_forked_python() -> None:
    """Lets the child processes of exports run in forks, those of programs and those of tests."""
    folder = tempfile.mkdtemp()
    os.environ[_ADDRESS] = f"{folder}/socket"
    os.environ["TESTS_PYTHON"] = sys.executable
    server = socketserver.ThreadingUnixStreamServer(os.environ[_ADDRESS], _Request)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    child.INTERPRETER = FORKED_PYTHON


@contextmanager
def new_interpreters() -> Iterator[None]:
    """Lets the child processes of exports start as they do outside tests."""
    with mock.patch.object(child, "INTERPRETER", sys.executable):
        yield


def run_program(name: str, *arguments: object) -> Finished:
    """`python -m pipelines.NAME`, to its end."""
    return Running(f"pipelines.{name}", arguments).finished()


def run_afresh(name: str, *arguments: object, **environment: str) -> Finished:
    """The same in a new interpreter."""
    done = subprocess.run(
        program(name, *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def run_without_tensorflow(name: str, *arguments: object) -> Finished:
    """The same in a new interpreter, which ends with code 9 where TensorFlow is imported."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tensorflow.py").write_text("import os; os._exit(9)")
        return run_afresh(name, *arguments, PYTHONPATH=os.pathsep.join([folder, str(ROOT)]))


def program(name: str, *arguments: object) -> list[str]:
    """The command `python -m pipelines.NAME`."""
    return [sys.executable, "-m", f"pipelines.{name}", *map(str, arguments)]
