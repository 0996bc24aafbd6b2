"""Keeps TensorFlow's messages at its start off a program's stderr.

TensorFlow logs many lines at its start, among them harmless "errors" ("Unable to register cuBLAS
factory"), between which a program's own messages would be overlooked. TF_CPP_MIN_LOG_LEVEL hides
most of them. Newer versions write some before they read it, while they are imported: those lines
pass through a filter, a process of its own, so that nothing else is lost even if the import aborts.
Real errors are raised in Python as well.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ONLY_FATAL = "3"

# Lines of absl's log below the level "fatal", and what belongs to them.
_FILTER = r"""
import re, sys
noise = re.compile(
    rb"[IWE]\d{4} [\d:.]+ +\d+ \S+\.cc:\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions: "
)
for line in sys.stdin.buffer:
    if not noise.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def install() -> None:
    """Hides the messages, unless the environment says which messages are wanted."""
    if _LEVEL in os.environ:
        return
    os.environ[_LEVEL] = _ONLY_FATAL
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport(MetaPathFinder):
    """Imports TensorFlow as Python does, with a filtered stderr."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of TensorFlow, whose execution is filtered; None for other modules."""
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader = spec.loader if spec else None
        if loader is None:
            return spec
        execute = loader.exec_module

        def execute_quietly(module: ModuleType) -> None:
            with _filtered_stderr():
                execute(module)

        loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Passes what this process writes to stderr in the block through `_FILTER`."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _FILTER]
    try:
        # In a session of its own, Ctrl-C does not reach it.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    except (OSError, ValueError):  # no interpreter, memory or processes: noise is the lesser evil
        os.close(stderr)
        yield
        return
    with process:
        os.dup2(process.stdin.fileno(), 2)  # type: ignore[union-attr]
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
