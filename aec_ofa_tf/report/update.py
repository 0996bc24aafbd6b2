"""Keeps the report of a run up to date as its stages finish."""

from __future__ import annotations

import time
from pathlib import Path

from absl import logging

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.robustness.store import FOLDER
from aec_ofa_tf.workdir import SEARCH, Workdir


def update_report(workdir: Workdir, records: Dataset) -> None:
    """Writes the report; a problem with it is a warning, since the stage itself has succeeded.

    Nothing is written by workers of a cluster other than its chief, or if nothing has changed, as
    where a finished stage is skipped.
    """
    if not workdir.writable or _is_current(workdir):
        return
    began = time.monotonic()
    try:
        from aec_ofa_tf.report.page import write_report  # imports Jinja and Plotly

        path = write_report(workdir, records)
    except Exception as error:  # whatever it is, hours of training must not end with it
        logging.warning("the report of %s was not written: %s", workdir.path, error)
        return
    logging.info("report: %s (%.1f s)", path, time.monotonic() - began)


def _is_current(workdir: Workdir) -> bool:
    """Whether nothing was written or removed since the report.

    Files get their names when they are whole, which changes the time of their folder.
    """
    page = workdir.path / PAGE
    exports = workdir.path / "export"
    folders = [workdir.path, *(workdir.path / name for name in ("stages", SEARCH, FOLDER)), exports]
    present = [folder for folder in [*folders, *exports.glob("*/")] if folder.is_dir()]
    return page.is_file() and _time_ns(page) >= max(map(_time_ns, present))


def _time_ns(path: Path) -> int:
    return path.stat().st_mtime_ns
