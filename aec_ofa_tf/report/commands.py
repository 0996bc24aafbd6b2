"""The commands that a report shows: to repeat the run, and to make what is not there yet."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.description import command

NO_DATA = "DATA"
"""Stands for the directory of records that nobody named."""


@dataclass(frozen=True)
class Commands:
    """The commands for a run directory, quoted for a shell.

    Attributes:
        workdir: the run directory.
        data_dir: directory of its records, or `NO_DATA`.
        payload: what the records contain: "log_mel" or "audio".
        budget: a budget that subnets of the space meet, for example commands.
    """

    workdir: Path
    data_dir: str
    payload: str
    budget: str = "params<=50k"

    @property
    def flagfile(self) -> Path:
        """The flags of the run, if a program wrote them."""
        return self.workdir / "flags.txt"

    def train(self) -> str:
        """All stages, with the flags of the run if there are any."""
        if self.flagfile.is_file():
            return command("train", flagfile=self.flagfile)
        return self._on_run("train", budget=self.budget)

    def search(self) -> str:
        """A search for the best subnet of a budget."""
        return self._on_run("search", budget=self.budget)

    def convert_family(self) -> str:
        """Files of the winners of all budgets, with their latency."""
        return self._on_run("convert", family=True, **self._kinds)

    def convert(self, subnet: str) -> str:
        """Files of one subnet."""
        return self._on_run("convert", subnet=subnet, **self._kinds)

    def robustness(self) -> str:
        """How the largest subnet does under conditions that the recordings do not have."""
        where = {"model": self.workdir, "subnet": "largest", "data_dir": self.data_dir}
        return command("evaluate", **where, robustness=True)

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

    def with_data(self, text: str) -> str:
        """A command of `describe`, with the records' directory instead of a word."""
        quoted = shlex.quote(self.data_dir)
        return re.sub(rf"(?<=data_dir=){NO_DATA}\b", lambda _: quoted, text)

    @property
    def _kinds(self) -> dict[str, str]:
        feature = "waveform" if self.payload == "audio" else "log_mel"
        return {"input": feature, "quantization": "float32,int8"}

    def _on_run(self, name: str, **flags: object) -> str:
        return command(name, workdir=self.workdir, data_dir=self.data_dir, **flags)
