"""Everything that a report shows, read from a run directory and its records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.inspection import describe_artefact, example_budget
from aec_ofa_tf.report.clips import ClipExample, read_clips
from aec_ofa_tf.report.commands import NO_DATA, Commands
from aec_ofa_tf.report.curves import Chart, read_charts
from aec_ofa_tf.report.data import DataSummary, summarise
from aec_ofa_tf.report.files import EXPORT, ModelFile, best_file, read_files
from aec_ofa_tf.report.subnets import Subnets, Winner, read_subnets, read_winners
from aec_ofa_tf.report.try_it_files import state
from aec_ofa_tf.robustness.results import Robustness
from aec_ofa_tf.robustness.store import read_stored
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.workdir import SEARCH, Workdir

_CREDENTIALS = re.compile(r"://[^\s@]*@")
"""User and password in the URL of a database."""

_OWN_SECTIONS = ("winners", "files", "validation")
"""Facts of a description that a report shows in sections of their own."""


@dataclass(frozen=True)
class TrainedStage:
    """A training stage that is finished.

    Attributes:
        name: name of the stage.
        figure: the task's figure, "mAP" or "accuracy".
        validation: the figure on the validation split by name of the subnet.
    """

    name: str
    figure: str
    validation: Mapping[str, float]


@dataclass(frozen=True)
class Contents:
    """The contents of a report; what has not run yet is None or empty.

    Attributes:
        name: name of the run directory.
        facts: sentences about the run, by what they are about.
        commands: the commands that make what is not there yet.
        next: the commands that take the run next.
        flags: content of the run's flagfile; "" if no program wrote one.
        winners: the winners of the budgets and the largest subnet.
        subnets: the evaluated subnets.
        files: the TFLite files.
        tagger: the file that tags the clips.
        try_it: whether there is a page that tags in the browser: "absent", "current" or "older".
        robustness: the robustness of networks, by what they are.
        stages: the training stages.
        charts: learning curves.
        data: numbers of the data.
        clips: evaluation clips.
        payload: what the records contain; "" without records.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    commands: Commands
    next: tuple[str, ...]
    flags: str
    winners: tuple[Winner, ...]
    subnets: Subnets | None
    files: tuple[ModelFile, ...]
    tagger: ModelFile | None
    try_it: str
    robustness: tuple[tuple[str, Robustness], ...]
    stages: tuple[TrainedStage, ...]
    charts: tuple[Chart, ...]
    data: DataSummary | None
    clips: tuple[ClipExample, ...]
    payload: str


def read_contents(workdir: Workdir, records: Dataset | None) -> Contents:
    """Reads everything that a report shows.

    Args:
        workdir: the run directory.
        records: its data; without them a report has no clips and no numbers of the data.

    Raises:
        ValueError: something in the run directory is damaged.
        OSError: something cannot be read.
    """
    described = describe_artefact(workdir.path)
    done = described.values["stages"]
    finished = [name for name, is_done in done.items() if is_done and name != SEARCH]
    directory = records.summary.directory if records else None
    commands = Commands(
        workdir.path,
        str(directory or NO_DATA),
        records.payload if records else "log_mel",
        example_budget(*workdir.space_and_network()),
    )
    winners: tuple[Winner, ...] = ()
    subnets = None
    if SEARCH in workdir.stages():
        with workdir.reading_search() as content:
            result = SearchResult.from_dict(content)
            winners, subnets = read_winners(result), read_subnets(workdir, result)
    files = read_files(workdir)
    tagger = best_file(files, winners)
    return Contents(
        name=workdir.path.resolve().name,
        facts=tuple(fact for fact in described.facts if fact[0] not in _OWN_SECTIONS),
        commands=commands,
        next=tuple(map(commands.with_data, described.commands)),
        flags=_flags(commands.flagfile),
        winners=winners,
        subnets=subnets,
        files=files,
        tagger=tagger,
        try_it=state(workdir.path, files),
        robustness=_robustness(workdir, files),
        stages=_trained_stages(workdir, finished),
        charts=read_charts(workdir),
        data=summarise(records) if records else None,
        clips=read_clips(records, _path(tagger)) if records else (),
        payload=records.payload if records else "",
    )


def _robustness(workdir: Workdir, files: Iterable[ModelFile]) -> tuple[tuple[str, Robustness], ...]:
    """What exports have recorded, then what `evaluate` has kept of subnets and other files."""
    found = {f"{EXPORT}/{file.name}": file.record.robustness for file in files if file.record}
    kept = {f"{one.model} ({one.result.split})": one.result for one in read_stored(workdir)}
    return tuple((name, result) for name, result in {**found, **kept}.items() if result)


def _flags(flagfile: Path) -> str:
    """The run's flags, without the password of a database: a report is handed on."""
    text = flagfile.read_text(encoding="utf-8") if flagfile.is_file() else ""
    return _CREDENTIALS.sub("://***@", text)


def _path(file: ModelFile | None) -> Path | None:
    return file.path if file else None


def _trained_stages(workdir: Workdir, names: Iterable[str]) -> tuple[TrainedStage, ...]:
    found = []
    for name in names:
        with workdir.reading_stage(name) as result:
            if result.get("validation"):
                found.append(TrainedStage(name, result["figure"], result["validation"]))
    return tuple(found)
