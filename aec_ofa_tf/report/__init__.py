"""`report/index.html` of a run directory: one page to click, which opens offline."""

from pathlib import Path

PAGE = Path("report") / "index.html"
"""The page within a run directory."""
