"""The shell commands of README.md and of the pages in docs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
MARK = "# Not run by the tests: "
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELLS = ("bash", "console", "sh", "shell")
_PROGRAM = re.compile(r"pipelines\.(\w+)$")
_ENDS = set("|;&()<>")


@dataclass(frozen=True)
class Block:
    """A block of shell commands in a page.

    Attributes:
        page: the name of the page.
        text: the commands.
    """

    page: str
    text: str

    @property
    def reason(self) -> str | None:
        """Why the tests do not run it, by its first line; None if they do."""
        first = self.text.split("\n", 1)[0]
        return first.removeprefix(MARK) if first.startswith(MARK) else None

    @property
    def lines(self) -> list[str]:
        """The commands, one a line, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def shell_blocks(page: Path) -> list[Block]:
    """The shell blocks of a page, in order."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(page.name, text) for language, text in found if language in _SHELLS]


def python_blocks(page: Path) -> list[str]:
    """The blocks of Python of a page, in order."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language == "python"]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def program_calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of a program of ours, in blocks and within the text: name and arguments."""
    spans = re.findall(r"`(python -m pipelines\.[^`]+)`", prose(page))
    whole = [span.replace("\n", " ") for span in spans if "..." not in span and "NAME" not in span]
    for line in [line for block in shell_blocks(page) for line in block.lines] + whole:
        yield from calls_in(line)


def calls_in(line: str) -> Iterator[tuple[str, list[str]]]:
    """The calls of programs of ours in a line of shell."""
    line = re.sub(r"\$\(\(.*?\)\)|\$\w+", "1", line)
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    tokens = list(words)
    for place, token in enumerate(tokens):
        named = _PROGRAM.match(token)
        ours = tokens[place - 1].endswith("aec-ofa") if place else False
        if named or ours:
            yield (named.group(1) if named else token), _arguments(tokens[place + 1 :])


def _arguments(tokens: list[str]) -> list[str]:
    found = []
    for token in tokens:
        if set(token) <= _ENDS:
            break
        found.append(token)
    return found
