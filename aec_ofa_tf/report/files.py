"""The TFLite files in a run's folder of exports, with what their exports have recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aec_ofa_tf.costs.budget import budget_folder
from aec_ofa_tf.export.results import ConvertedFile
from aec_ofa_tf.files import JsonObject, naming_damage, read_json, sha256_of
from aec_ofa_tf.report.subnets import Winner
from aec_ofa_tf.tagging.model_file import read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from aec_ofa_tf.workdir import SEARCH, Workdir

EXPORT = "export"
_STAGE, _TABLE = "convert", "family.json"


@dataclass(frozen=True)
class ModelFile:
    """A TFLite file.

    Attributes:
        path: the file.
        name: its path within the folder of exports.
        budget: the budget that its subnet was found for; "" if there is none.
        subnet: text of the subnet.
        quantization: quantisation of the file.
        input: input of the file, "log_mel" or "waveform".
        bytes: size of the file.
        record: what its export has recorded; None for a file of `convert --subnet`.
    """

    path: Path
    name: str
    budget: str
    subnet: str
    quantization: str
    input: str
    bytes: int
    record: ConvertedFile | None

    @property
    def latency_ms(self) -> float | None:
        """Median time of an invocation, if it was measured."""
        return self.record.latency_ms if self.record else None

    @property
    def arena_bytes(self) -> int | None:
        """The arena to reserve on a microcontroller, if the file was made for one."""
        port = self.record.port if self.record else None
        return port.tensor_arena_bytes if port else None


def read_files(workdir: Workdir) -> tuple[ModelFile, ...]:
    """All classifiers in the folder of exports, by name.

    Records of exports belong to files with the same bytes, wherever the run directory lies now.

    Raises:
        ValueError: the record of an export is damaged.
    """
    records = _records(workdir)
    budgets = {}
    if SEARCH in workdir.stages():
        budgets = {budget_folder(budget): budget for budget in workdir.winners()}
    return tuple(_files(workdir.path / EXPORT, records, budgets))


def best_file(files: Iterable[ModelFile], winners: Iterable[Winner]) -> ModelFile | None:
    """The first file of the winner with the highest validation figure; others count as worse."""
    validation = {winner.subnet: winner.validation for winner in winners}
    return max(files, key=lambda file: validation.get(file.subnet, -1.0), default=None)


def _files(
    folder: Path, records: Mapping[str, ConvertedFile], budgets: Mapping[str, str]
) -> Iterator[ModelFile]:
    for path in sorted(folder.rglob("*.tflite")):
        if path.name == FRONT_END_FILE:
            continue
        try:
            info = read_info(path)
        except ValueError:  # not written by this project
            continue
        yield ModelFile(
            path,
            path.relative_to(folder).as_posix(),
            budgets.get(path.parent.name, ""),
            info.subnet,
            info.quantization,
            info.input,
            path.stat().st_size,
            records.get(sha256_of(path)),
        )


def _records(workdir: Workdir) -> dict[str, ConvertedFile]:
    """Records by the SHA-256 of their files: scores from the stage, latency from the table."""
    found: dict[str, ConvertedFile] = {}
    if _STAGE in workdir.stages():
        stage = workdir.path / "stages" / f"{_STAGE}.json"
        with naming_damage(stage, "convert again"):
            result = read_json(stage)["result"] or {"files": []}
            found = {row["sha256"]: ConvertedFile.from_dict(row) for row in result["files"]}
    table = workdir.path / EXPORT / _TABLE
    for row in _rows(table):
        with naming_damage(table, "convert again"):
            file = ConvertedFile.from_dict(row)
            known = found.get(file.sha256, file)
            found[file.sha256] = replace(known, latency_ms=file.latency_ms)
    return found


def _rows(table: Path) -> list[JsonObject]:
    if not table.exists():
        return []
    with naming_damage(table, "convert again"):
        return list(read_json(table)["rows"])
