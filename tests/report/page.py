"""Reads what a report contains."""

import html
import json
import re
from pathlib import Path
from typing import Any

from aec_ofa_tf.report import PAGE


def text_of(workdir: Path) -> str:
    """The page without its scripts."""
    page = (workdir / PAGE).read_text(encoding="utf-8")
    return re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)


def values_of(workdir: Path) -> dict[str, Any]:
    """The values that the page draws."""
    page = (workdir / PAGE).read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json" id="values">(.*?)</script>', page)
    return json.loads(text)


def commands_of(workdir: Path) -> list[str]:
    """The commands that the page shows."""
    return [html.unescape(text) for text in re.findall(r'data-copy="(.*?)"', text_of(workdir))]
