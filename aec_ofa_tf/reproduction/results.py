"""What the jobs of a reproduction have found, as they are kept on disk. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aec_ofa_tf.config import check_fields
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.reproduction.graph import Job


@dataclass(frozen=True)
class NetworkScore:
    """A network that a job has trained or found.

    Attributes:
        subnet: its text.
        params: number of trainable weights.
        macs: multiply-adds of one clip.
        evaluation: the task's figure on the evaluation split; None for a network that only served.
        validation: the figure on the validation split; None without validation clips.
        budget: text of the budget that it was found for; None for others.
        candidates: validation figures of the candidates of that budget, best first.
    """

    subnet: str
    params: int
    macs: int
    evaluation: float | None
    validation: float | None
    budget: str | None = None
    candidates: Sequence[float] = ()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    Attributes:
        figure: the task's figure, "mAP" or "accuracy".
        networks: what was trained or found.
        steps: training steps.
        clips: clips that passed through a network forwards and backwards, once for every subnet.
        work: multiply-adds, without what subnets of a step share; a backward pass counts twice.
        evaluated: subnets that a search has compared.
        scoring_secs: seconds of a search for each subnet that it scored itself; None if an earlier
            search had scored all.
        secs: seconds of work on this machine, over all starts.
    """

    figure: str
    networks: Sequence[NetworkScore] = ()
    steps: int = 0
    clips: int = 0
    work: float = 0.0
    evaluated: int = 0
    scoring_secs: float | None = None
    secs: float = 0.0

    def as_dict(self) -> JsonObject:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: JsonObject) -> JobResult:
        """The result from the values of `as_dict`."""
        networks = [NetworkScore(**one) for one in values["networks"]]
        return cls(**{**values, "networks": tuple(networks)})


@dataclass(frozen=True)
class Arm:
    """A job that is done, with its result."""

    job: Job
    result: JobResult


@dataclass(frozen=True)
class Reproduction:
    """What a reproduction has found so far.

    Attributes:
        folder: the folder of tables and figures.
        figure: the task's figure, "mAP" or "accuracy".
        arms: the jobs that are done.
        missing: names of the jobs that are not.
        tables: rows by table: table_1, table_2, comparison, roads, totals.
    """

    folder: Path
    figure: str
    arms: Sequence[Arm]
    missing: Sequence[str]
    tables: Mapping[str, Sequence[Mapping[str, object]]]

    def __str__(self) -> str:
        left = f"; to do: {', '.join(self.missing)}" if self.missing else ""
        return f"{len(self.arms)} jobs are done{left}; tables and figures are in {self.folder}"

    def as_dict(self) -> JsonObject:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "figure": self.figure,
            "done": [arm.job.name for arm in self.arms],
            "missing": list(self.missing),
            "tables": {name: list(rows) for name, rows in self.tables.items()},
        }
