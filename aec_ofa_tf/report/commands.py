"""The commands that a report shows: to repeat the run, and to make what is not there yet."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

NO_DATA = "DATA"
"""Stands for the directory of records that nobody named."""

_BUDGET = "params<=50k"


@dataclass(frozen=True)
class Commands:
    """The commands for a run directory, quoted for a shell.

    Attributes:
        workdir: the run directory.
        data_dir: directory of its records, or `NO_DATA`.
        payload: what the records contain: "log_mel" or "audio".
    """

    workdir: Path
    data_dir: str
    payload: str

    @property
    def flagfile(self) -> Path:
        """The flags of the run, if a program wrote them."""
        return self.workdir / "flags.txt"

    def train(self) -> str:
        """All stages, with the flags of the run if there are any."""
        if self.flagfile.is_file():
            return _program("train", flagfile=self.flagfile)
        return self._on_run("train", budget=_BUDGET)

    def search(self) -> str:
        """A search for the best subnet of a budget."""
        return self._on_run("search", budget=_BUDGET)

    def convert_family(self) -> str:
        """Files of the winners of all budgets, with their latency."""
        return self._on_run("convert", family=True, **self._kinds)

    def convert(self, subnet: str) -> str:
        """Files of one subnet."""
        return self._on_run("convert", subnet=subnet, **self._kinds)

    def report(self) -> str:
        """The report itself."""
        return self._on_run("report")

    def try_it(self) -> str:
        """The page that tags in the browser."""
        return self._on_run("report", try_it=True)

    def convert_waveform(self) -> str:
        """Files of the winners of all budgets that take a waveform, as a browser needs them."""
        kinds = {**self._kinds, "input": "waveform"}
        return self._on_run("convert", family=True, **kinds)

    def with_data(self, command: str) -> str:
        """A command of `describe`, with the records' directory instead of a word."""
        return command.replace(_flag("data_dir", NO_DATA), _flag("data_dir", self.data_dir))

    @property
    def _kinds(self) -> dict[str, str]:
        feature = "waveform" if self.payload == "audio" else "log_mel"
        return {"input": feature, "quantization": "float32,int8"}

    def _on_run(self, name: str, **flags: object) -> str:
        return _program(name, workdir=self.workdir, data_dir=self.data_dir, **flags)


def _program(name: str, **flags: object) -> str:
    return " ".join([f"python -m pipelines.{name}", *(_flag(n, v) for n, v in flags.items())])


def _flag(name: str, value: object) -> str:
    return f"--{name}" if value is True else f"--{name}={shlex.quote(str(value))}"
