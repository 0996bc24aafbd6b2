"""The results of evaluations and exports. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.metrics import Metrics
from aec_ofa_tf.micro.report import PortReport
from aec_ofa_tf.per_class import ClassResult, Confusion, PerClassReport
from aec_ofa_tf.robustness.results import Robustness

MODEL_FILE = "model.keras"
"""Name of the Keras model, beside the TFLite files made from it."""

FINE_TUNED_FILE = "model-fine_tuned.keras"
"""Name of the float32 model that `int8_qat` files are compared with."""

_QAT = "int8_qat"


@dataclass(frozen=True)
class Evaluation:
    """The results of a model on a split.

    Attributes:
        metrics: metrics over all classes.
        per_class: results of every class.
        labels: names of the classes.
    """

    metrics: Metrics
    per_class: PerClassReport
    labels: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON: the metrics, the names of undefined classes, and the results per class."""
        left_out = [self.labels[index] for index in self.metrics.undefined_classes]
        return {
            **self.metrics.as_dict(),
            "undefined_classes": left_out,
            "per_class": self.per_class.as_dict(),
        }


@dataclass(frozen=True)
class FileScores:
    """The metrics of a file and of its Keras model on the evaluation split.

    Attributes:
        figure: the task's figure, "mAP" or "accuracy".
        own: metrics of the file by name, including `figure` and mAP.
        reference: metrics of the Keras model by name.
        per_class: the file's results per class.
    """

    figure: str
    own: Mapping[str, float | None]
    reference: Mapping[str, float | None]
    per_class: PerClassReport | None = None

    @property
    def drop(self) -> float:
        """The Keras model's figure minus the file's."""
        return (self.reference[self.figure] or 0.0) - (self.own[self.figure] or 0.0)

    def as_dict(self) -> dict[str, float | None]:
        """For JSON: `mAP`, `keras_mAP` and `map_drop`, and the same for the task's figure."""
        row: dict[str, float | None] = {}
        for name in dict.fromkeys(("mAP", self.figure)):
            own, reference = self.own[name], self.reference[name]
            row |= {name: own, f"keras_{name}": reference}
            # mAP is not defined if all clips have the same label.
            if own is not None and reference is not None:
                row[f"{name.lower()}_drop"] = reference - own
        return row


@dataclass(frozen=True)
class ConvertedFile:
    """A TFLite file that was made.

    Attributes:
        file: path of the file.
        bytes: size of the file, including the model card.
        max_abs_error: the largest difference of any score from Keras on the parity clips.
        quantization: quantisation of the file.
        input: input of the file, "log_mel" or "waveform".
        subnet: text form of the subnet.
        params: number of trainable weights.
        macs: multiply-adds per clip.
        sha256: SHA-256 of the file.
        io_type: type of the input and output tensors.
        figure: the task's figure, "mAP" or "accuracy".
        parity_drop: Keras' figure minus the file's on the parity clips; None if their labels do not
            define it.
        scores: metrics on the evaluation split; None if they were not computed.
        latency_ms: median time of an invocation on one thread of this machine; None if not
            measured.
        budget: the budget that the subnet was found for, if any.
        card: path of the file's model card.
        port: its C files for a microcontroller or an NPU, if any.
        robustness: its figures under noise, filters and poor resampling; None if not measured.
    """

    file: str
    bytes: int
    max_abs_error: float
    quantization: str
    input: str
    subnet: str
    params: int
    macs: int
    sha256: str
    io_type: str = "float32"
    figure: str = "mAP"
    parity_drop: float | None = None
    scores: FileScores | None = None
    latency_ms: float | None = None
    budget: str | None = None
    card: str | None = None
    port: PortReport | None = None
    robustness: Robustness | None = None

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.file)

    @property
    def reference(self) -> Path:
        """Path of the Keras model that the file was made from and is compared with."""
        return self.path.with_name(FINE_TUNED_FILE if self.quantization == _QAT else MODEL_FILE)

    def as_dict(self) -> dict[str, object]:
        """For JSON; unknown values are left out."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        row[f"parity_{self.figure.lower()}_drop"] = row.pop("parity_drop")
        scores = self.scores.as_dict() if self.scores else {}
        optional = ("latency_ms", "budget", "card", "port", "robustness")
        left_out = {"scores", *(name for name in optional if row[name] is None)}
        known = {name: value for name, value in row.items() if name not in left_out}
        if self.robustness:
            known |= {"robustness": self.robustness.as_dict(), **self.robustness.summary}
        ports = {**self.port.costs, "port": self.port.as_dict()} if self.port else {}
        return {**known, **scores, **ports}

    @classmethod
    def from_dict(cls, row: JsonObject) -> ConvertedFile:
        """Builds a file from the values of `as_dict` or `as_record`."""
        figure = row["figure"]
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        known["parity_drop"] = row[f"parity_{figure.lower()}_drop"]
        if "mAP" in row:
            names = dict.fromkeys(("mAP", figure))
            own = {name: row[name] for name in names}
            reference = {name: row[f"keras_{name}"] for name in names}
            per_class = _per_class_from_dict(row["per_class"]) if "per_class" in row else None
            known["scores"] = FileScores(figure, own, reference, per_class)
        if "port" in row:
            known["port"] = PortReport.from_dict(row["port"])
        if "robustness" in row:
            known["robustness"] = Robustness.from_dict(row["robustness"])
        return cls(**known)

    def as_record(self) -> dict[str, object]:
        """`as_dict` with the results per class, as stored in a run directory."""
        report = self.scores.per_class if self.scores else None
        return {**self.as_dict(), **({"per_class": asdict(report)} if report else {})}


@dataclass(frozen=True)
class LeftOutFile:
    """A file that was not kept, because it is larger, or takes more, than its own budget allows.

    Attributes:
        file: the path that it would have.
        bytes: its size.
        budget: the budget that its subnet was found for.
        reason: the bound and the remedy.
    """

    file: str
    bytes: int
    budget: str
    reason: str

    def __str__(self) -> str:
        return f"left out: {self.file} ({self.bytes:,} bytes, {self.budget}): {self.reason}"


@dataclass(frozen=True)
class ExportResult:
    """The files of one export.

    Attributes:
        files: the TFLite files.
        left_out: files that are larger than their budgets allow.
    """

    files: tuple[ConvertedFile, ...]
    left_out: tuple[LeftOutFile, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "files": [file.as_dict() for file in self.files],
            "left_out": [asdict(file) for file in self.left_out],
        }


@dataclass(frozen=True)
class FamilyResult:
    """The files of the winners of all budgets.

    Attributes:
        table: path of the Markdown table; the CSV and JSON tables are beside it.
        files: all files; their paths are relative to the table's folder.
        left_out: files that are larger than their budgets allow.
    """

    table: str
    files: tuple[ConvertedFile, ...]
    left_out: tuple[LeftOutFile, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        files = ExportResult(self.files, self.left_out).as_dict()
        return {"table": self.table, **files}


def _per_class_from_dict(content: JsonObject) -> PerClassReport:
    """Builds a report from its `asdict`."""
    classes = (ClassResult(**row) for row in content["classes"])
    confusions = (Confusion(**row) for row in content["confusions"])
    return PerClassReport(tuple(classes), tuple(confusions))
