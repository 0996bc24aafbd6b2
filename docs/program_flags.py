"""A directive for the pages: the flags of a program, as the program itself tells them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[1]


class Flag(NamedTuple):
    """A flag: its name, what it means, and the value that it has if it is not given."""

    name: str
    meaning: str
    default: str


def flags_of(program: str) -> list[Flag]:
    """The flags that are a program's own, by `python -m pipelines.PROGRAM --helpxml`.

    Raises:
        ValueError: there is no such program, or it does not tell its flags.
    """
    told = subprocess.run(
        [sys.executable, "-m", f"pipelines.{program}", "--helpxml"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    start = told.stdout.find("<?xml")
    if start < 0:
        raise ValueError(f"pipelines.{program} does not tell its flags: {told.stderr}")
    root = ElementTree.fromstring(told.stdout[start:])  # noqa: S314 - our own program's
    own = [flag for flag in root.iter("flag") if flag.findtext("key") == "yes"]
    return [
        Flag(*(flag.findtext(part) or "" for part in ("name", "meaning", "default")))
        for flag in own
    ]


class ProgramFlags(SphinxDirective):
    """`program-flags NAME`: a definition list of the flags of a program."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Asks the program."""
        return [nodes.definition_list("", *map(_item, flags_of(self.arguments[0])))]


def _item(flag: Flag) -> nodes.Node:
    value = f"={flag.default}" if flag.default not in ("", "[]") else ""
    term = nodes.term("", "", nodes.literal("", f"--{flag.name}{value}"))
    meaning = nodes.paragraph("", flag.meaning)
    return nodes.definition_list_item("", term, nodes.definition("", meaning))


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("program-flags", ProgramFlags)
    return {"parallel_read_safe": True}
