"""One command for all programs: `aec-ofa NAME ...` is `python -m pipelines.NAME ...`."""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
import textwrap
from pathlib import Path

from pipelines.flagfiles import FLAGFILES

PROGRAMS = (
    "prepare",
    "import_weights",
    "train",
    "search",
    "evaluate",
    "boards",
    "convert",
    "tag",
    "describe",
    "report",
    "average",
    "reproduce",
    "benchmark",
    "profile_device",
)
USAGE_ERROR = 2


def main() -> None:
    """Runs the program that the first argument names, with the other arguments.

    Without a name, and with `--help`, it lists the programs. An unknown name ends with exit code 2.
    Only the program that runs is imported.
    """
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "--helpshort", "help"):
        print(overview())
    elif name in PROGRAMS:
        del sys.argv[1]
        runpy.run_module(f"pipelines.{name}", run_name="__main__", alter_sys=True)
    else:
        near = difflib.get_close_matches(name, PROGRAMS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        print(f"error: there is no program {name!r}{hint}\n\n{overview()}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def overview() -> str:
    """Every program with the first line of its docstring."""
    width = max(map(len, PROGRAMS))
    flagfiles = sorted(path.name for path in FLAGFILES.glob("*.flags"))
    return "\n".join(
        [
            "usage: aec-ofa NAME [--flag=value ...], or python -m pipelines.NAME",
            "",
            *(_wrapped(f"  {name:{width}}  ", _purpose(name)) for name in PROGRAMS),
            "",
            "aec-ofa NAME --helpshort lists the flags of a program.",
            _wrapped("Flagfiles of this package, by --flagfile=NAME: ", ", ".join(flagfiles), 2),
        ]
    )


def _wrapped(start: str, text: str, indent: int | None = None) -> str:
    """Lines of at most 80 columns; those after the first begin below the text."""
    below = " " * (len(start) if indent is None else indent)
    return textwrap.fill(text, 80, initial_indent=start, subsequent_indent=below)


def _purpose(name: str) -> str:
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.partition("\n")[0].partition(": python -m")[0].rstrip(".")


if __name__ == "__main__":
    main()
