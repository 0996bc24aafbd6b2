"""The columns of the table of a family of files. No TensorFlow here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from aec_ofa_tf.export.results import ConvertedFile

_COLUMNS = {"budget": "", "file": "", "bytes": ",d", "params": ",d", "macs": ",d"}
_log = logging.getLogger(__name__)


def columns(figure: str, files: Sequence[ConvertedFile]) -> dict[str, str]:
    """The columns with the formats of their values.

    Args:
        figure: the task's figure, "mAP" or "accuracy".
        files: the files; costs on microcontrollers and NPUs, and the robustness, have columns if a
            file has them.
    """
    ports = {name: value for file in files if file.port for name, value in file.port.costs.items()}
    of_ports = {name: ".3f" if isinstance(value, float) else ",d" for name, value in ports.items()}
    scores = {figure: ".4f", f"{figure.lower()}_drop": ".4f"}
    if any(file.robustness for file in files):
        scores |= {f"worst_{figure}": ".4f", "worst_condition": ""}
    return {**_COLUMNS, **of_ports, "latency_ms": ".2f", **scores}


def warn_of_others(rows: Iterable[ConvertedFile], root: Path) -> None:
    """Logs a warning about files of earlier exports, which the table does not contain."""
    present = {str(path.relative_to(root)) for path in root.glob("*/*-*.tflite")}
    others = sorted(present - {row.file for row in rows})
    if others:
        _log.warning("the table lacks these files of earlier exports: %s", ", ".join(others))
