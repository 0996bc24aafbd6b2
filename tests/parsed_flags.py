"""Parses command lines as a program would, without running it; prints what it refuses.

python -m tests.parsed_flags PROGRAM '[["--flag=value"], ...]'
"""

from __future__ import annotations

import importlib
import json
import sys

from absl import flags

from pipelines.flagfiles import expanded


def main(program: str, lines: list[list[str]]) -> None:
    """Prints the lines that the program refuses, each with the reason."""
    importlib.import_module(f"pipelines.{program}")
    for line in lines:
        try:
            flags.FLAGS([program, *expanded(line)])
        except (flags.Error, ValueError) as error:
            print(f"{program} {' '.join(line)}: {error}")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
