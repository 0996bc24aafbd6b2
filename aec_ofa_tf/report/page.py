"""Writes the page of a report: texts escaped by Jinja, charts drawn by Plotly in the browser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.files import JsonObject, replacing
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.report.contents import Contents, read_contents
from aec_ofa_tf.report.files import ModelFile
from aec_ofa_tf.workdir import Workdir

_PACKAGE = "aec_ofa_tf.report"
_TEMPLATES = "templates"


def write_report(workdir: Workdir, records: Dataset | None = None) -> Path:
    """Writes `report/index.html` of a run directory: one file, which opens offline.

    Args:
        workdir: the run directory.
        records: its data; without them the page has no clips and no numbers of the data.

    Returns:
        The path of the page.

    Raises:
        ValueError: something in the run directory or the records is damaged.
        OSError: something cannot be read or written.
    """
    path = workdir.path / PAGE
    html = render(read_contents(workdir, records))
    with replacing(path) as temporary:
        # Names of files on disk need not be Unicode.
        temporary.write_text(html, encoding="utf-8", errors="replace")
    return path


def render(contents: Contents) -> str:
    """The page as HTML."""
    template = templates().get_template("page.html.j2")
    return template.render(
        report=contents,
        data=chart_data(contents),
        style=source("page.css"),
        script=source("page.js"),
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own code
    )


def templates() -> Environment:
    """The templates of pages, which escape every text."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    return environment


def chart_data(contents: Contents) -> JsonObject:
    """The values that the page draws, as JSON values."""
    subnets, data = contents.subnets, contents.data
    return {
        "subnets": asdict(subnets) if subnets else None,
        "convert": contents.commands.convert("SUBNET"),
        "winners": [asdict(winner) for winner in contents.winners],
        "classes": list(_classes(contents.files)),
        "charts": [asdict(chart) for chart in contents.charts],
        "balance": {"labels": data.labels, "splits": data.balance} if data else None,
    }


def _classes(files: Iterable[ModelFile]) -> Iterable[JsonObject]:
    """Results per class of every file that has them."""
    for file in files:
        scores = file.record.scores if file.record else None
        if scores and scores.per_class:
            yield {"file": file.name, **scores.per_class.as_dict()}


def source(name: str) -> Markup:
    """A style or a script of this package, by the name of its file."""
    text = resources.files(_PACKAGE).joinpath(_TEMPLATES, name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package
