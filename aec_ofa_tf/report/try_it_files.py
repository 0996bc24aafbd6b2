"""Where the page that tags in the browser lies, and whether its models are those of the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aec_ofa_tf.files import sha256_of
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.report.files import ModelFile

FOLDER = "try_it"
"""Name of the page's folder, beside the report."""

TRY_IT_PAGE = PAGE.parent / FOLDER / "index.html"
"""The page within a run directory."""

MODELS = "models"
"""Name of the folder of scripts with a model each, beside the page."""

ABSENT, CURRENT, OLDER = "absent", "current", "older"


def try_it_models(files: Iterable[ModelFile]) -> tuple[ModelFile, ...]:
    """The files that a browser can run: those that take a waveform."""
    return tuple(file for file in files if file.input == "waveform")


def script_name(file: ModelFile) -> str:
    """Name of the script with a model; another model has another name."""
    return f"{sha256_of(file.path)[:24]}.js"


def state(workdir: Path, files: Iterable[ModelFile]) -> str:
    """Whether the page is there, with the models that are there now.

    Returns:
        `ABSENT`, `CURRENT`, or `OLDER` if files were made or removed since.
    """
    page = workdir / TRY_IT_PAGE
    if not page.is_file():
        return ABSENT
    there = {path.name for path in (page.parent / MODELS).glob("*.js")}
    return CURRENT if there == {script_name(file) for file in try_it_models(files)} else OLDER
