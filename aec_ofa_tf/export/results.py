"""What conversions end with. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from aec_ofa_tf.metrics import Metrics
from aec_ofa_tf.per_class import ClassResult, Confusion, PerClassReport

MODEL_FILE = "model.keras"
"""The Keras model beside the TFLite files that were made of it."""

FINE_TUNED_FILE = "model-fine_tuned.keras"
"""The float32 model that `int8_qat` files are compared with."""

_QAT = "int8_qat"


@dataclass(frozen=True)
class Evaluation:
    """How a model scores on a split.

    Attributes:
        metrics: over all classes.
        per_class: of every class.
        labels: the classes' names.
    """

    metrics: Metrics
    per_class: PerClassReport
    labels: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the metrics, the names of the classes that they leave out, and each class."""
        left_out = [self.labels[index] for index in self.metrics.undefined_classes]
        return {
            **self.metrics.as_dict(),
            "undefined_classes": left_out,
            "per_class": self.per_class.as_dict(),
        }


@dataclass(frozen=True)
class FileScores:
    """How a file scores on the evaluation split, and the Keras model that it was made of.

    Attributes:
        figure: the task's figure, "mAP" or "accuracy".
        own: the file's metrics by name, `figure` and mAP among them.
        reference: those of the Keras model.
        per_class: the file's results class by class.
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
        """For JSON: `mAP`, `keras_mAP` and `map_drop`, and the same of another figure."""
        row: dict[str, float | None] = {}
        for name in dict.fromkeys(("mAP", self.figure)):
            own, reference = self.own[name], self.reference[name]
            row |= {name: own, f"keras_{name}": reference}
            # Nothing can be ranked where all clips are of one class.
            if own is not None and reference is not None:
                row[f"{name.lower()}_drop"] = reference - own
        return row


@dataclass(frozen=True)
class ConvertedFile:
    """A TFLite file that was made.

    Attributes:
        file: where it is.
        bytes: its size, model card included.
        max_abs_error: the largest difference of any score from Keras on the parity clips.
        quantization: its quantisation.
        input: what it takes, "log_mel" or "waveform".
        subnet: the network's shape.
        params: trainable weights.
        macs: multiply-adds of a clip.
        sha256: of the file's bytes.
        io_type: type of the tensors at both ends.
        figure: the task's figure, "mAP" or "accuracy".
        parity_drop: Keras' figure minus the file's on the parity clips; None where their labels
            do not define it.
        scores: on the evaluation split; None where they were not computed.
        latency_ms: median of an invocation on one thread of this machine; None if not measured.
        budget: the budget that the subnet was found for, if any.
        card: the file's model card.
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

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.file)

    @property
    def reference(self) -> Path:
        """The Keras model that the file was made of and is compared with."""
        return self.path.with_name(FINE_TUNED_FILE if self.quantization == _QAT else MODEL_FILE)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is left out."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        row[f"parity_{self.figure.lower()}_drop"] = row.pop("parity_drop")
        scores = {"scores": None, **(self.scores.as_dict() if self.scores else {})}
        unknown = {n for n in ("latency_ms", "budget", "card") if row[n] is None} | {"scores"}
        return {name: value for name, value in {**row, **scores}.items() if name not in unknown}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> ConvertedFile:
        """What `as_dict` or `as_record` described."""
        figure = row["figure"]
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        known["parity_drop"] = row[f"parity_{figure.lower()}_drop"]
        if "mAP" in row:
            names = dict.fromkeys(("mAP", figure))
            own = {name: row[name] for name in names}
            reference = {name: row[f"keras_{name}"] for name in names}
            per_class = _per_class_from_dict(row["per_class"]) if "per_class" in row else None
            known["scores"] = FileScores(figure, own, reference, per_class)
        return cls(**known)

    def as_record(self) -> dict[str, Any]:
        """`as_dict` and the results class by class: what a run directory keeps."""
        report = self.scores.per_class if self.scores else None
        return {**self.as_dict(), **({"per_class": asdict(report)} if report else {})}


@dataclass(frozen=True)
class ExportResult:
    """Files that were made together.

    Attributes:
        files: the TFLite files.
    """

    files: tuple[ConvertedFile, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"files": [file.as_dict() for file in self.files]}


@dataclass(frozen=True)
class FamilyResult:
    """The winners of all budgets in all forms.

    Attributes:
        table: path of the Markdown table, beside which CSV and JSON stand.
        files: a row for every file; paths are relative to the table's folder.
    """

    table: str
    files: tuple[ConvertedFile, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"table": self.table, "files": [file.as_dict() for file in self.files]}


def _per_class_from_dict(content: Mapping[str, Any]) -> PerClassReport:
    """What `asdict` of a `PerClassReport` described."""
    classes = (ClassResult(**row) for row in content["classes"])
    confusions = (Confusion(**row) for row in content["confusions"])
    return PerClassReport(tuple(classes), tuple(confusions))
