"""What a person sees while something takes long: progress bars, and lines beside them.

On a terminal and in notebooks there is a bar with rate and remaining time; where the environment
variable `CI` is set, a plain line every half minute; elsewhere nothing. No TensorFlow here.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

QUIET = "AEC_OFA_QUIET"
"""Environment variable, set to 1 by `--quiet`, which child processes get too."""

_SHORT_SECS = 2.0
"""Shorter work shows nothing."""

_LINE_SECS = 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {rate_fmt}, {remaining} left{postfix}"


def progress(
    items: Iterable[Any] | None = None,
    *,
    desc: str,
    unit: str,
    total: int | None = None,
    initial: int = 0,
    disable: bool = False,
) -> tqdm[Any]:
    """A progress bar: iterate over it, or use it as a context and call its `update`.

    Args:
        items: what to iterate over.
        desc: what is done.
        unit: what is counted, singular.
        total: how much there is; by default the length of `items`.
        initial: how much of it was done before.
        disable: shows nothing, for example on other hosts than the chief.
    """
    from tqdm import tqdm  # not in the core install

    settings: dict[str, Any] = {"disable": disable or not (is_watched() or _wants_lines())}
    lines = _Lines()
    if _wants_lines():
        settings |= {"file": lines, "bar_format": _LINE, "mininterval": _SHORT_SECS}
    bar = tqdm(
        items, desc=desc, unit=unit, total=total, initial=initial, delay=_SHORT_SECS, **settings
    )
    lines.bar = bar
    return bar


def is_watched() -> bool:
    """Whether a person sees stderr, and did not ask for quiet."""
    if is_quiet() or _wants_lines():
        return False
    return is_terminal() or "ipykernel" in sys.modules


def is_quiet() -> bool:
    """Whether only warnings and errors are wanted."""
    return os.environ.get(QUIET) == "1"


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def show(text: str) -> None:
    """Writes a result for people to stderr, unless they asked for quiet."""
    if not is_quiet():
        BesideBars().write(f"{text}\n")


class BesideBars(io.TextIOBase):
    """stderr, for whole lines that do not tear the progress bars on a terminal."""

    def write(self, text: str) -> int:
        """Writes lines above the bars that are shown; returns the number of characters."""
        tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
        if tqdm is not None and is_terminal():
            tqdm.write(text, file=sys.stderr, end="")
        elif sys.stderr is not None:
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes stderr."""
        if sys.stderr is not None:
            sys.stderr.flush()


class _Lines:
    """Turns what a bar draws over and over into one line each, the first one soon."""

    bar: Any = None
    _count = ""

    def write(self, text: str) -> None:
        line = text.strip()
        count = line.partition(",")[0]
        if not line or count == self._count or sys.stderr is None:
            return
        sys.stderr.write(f"{line}\n")
        self._count = count
        if self.bar is not None:
            self.bar.mininterval = _LINE_SECS

    def flush(self) -> None:
        BesideBars().flush()


def _wants_lines() -> bool:
    return not is_quiet() and os.environ.get("CI", "").lower() not in ("", "0", "false")
