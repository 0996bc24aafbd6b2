"""The description of something on disk: what it is, its facts, and what takes it next."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aec_ofa_tf.files import JsonObject

_COLUMNS = 80
_NAMES = 12


@dataclass(frozen=True)
class Description:
    """What a path holds.

    Attributes:
        path: the path.
        kind: what it is, such as "a run directory".
        facts: sentences by what they are about, in the order in which a reader wants them.
        values: the same for programs, as JSON values.
        commands: commands that take it next.
    """

    path: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    values: JsonObject
    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Lines of at most 80 columns, except for paths and commands."""
        lines = [f"{self.path}: {self.kind}"]
        width = max((len(name) for name, _ in self.facts), default=0)
        for name, text in self.facts:
            parts = [part for line in text.splitlines() for part in _wrapped(line, width + 4)]
            starts = [f"  {name:{width}}  ", *[" " * (width + 4)] * (len(parts) - 1)]
            lines += map("".join, zip(starts, parts, strict=True))
        if self.commands:
            lines += ["", "next:", *(f"  {command}" for command in self.commands)]
        return "\n".join(lines)

    def as_dict(self) -> JsonObject:
        """For JSON."""
        return {
            "path": self.path,
            "kind": self.kind,
            **self.values,
            "commands": list(self.commands),
        }


def command(program: str, *words: str, **flags: object) -> str:
    """`python -m pipelines.PROGRAM` with flags, quoted for a shell.

    Args:
        program: name of the program.
        words: placeholders and other words behind the flags, which are not quoted.
        flags: values by name; True for a switch.
    """
    given = [f"--{n}" if v is True else f"--{n}={shlex.quote(str(v))}" for n, v in flags.items()]
    return " ".join([f"python -m pipelines.{program}", *given, *words])


def listed(names: Sequence[str]) -> str:
    """`3: dog; rain; sea`; of many names only the first."""
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return f"{len(names):,}: {'; '.join(names[:_NAMES])}{more}"


def lines(texts: Iterable[object]) -> str:
    """One text per line."""
    return "\n".join(map(str, texts))


def _wrapped(line: str, indent: int) -> list[str]:
    columns = _COLUMNS - indent
    wrapper = textwrap.TextWrapper(columns, break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = "  "
    return wrapper.wrap(line) or [""]
