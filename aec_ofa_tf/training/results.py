"""What the training stages end with. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


def scalar_names(figure: str, validation: Mapping[str, float]) -> dict[str, float]:
    """Validation figures as TensorBoard and the programs call them: `validation_mAP/largest`."""
    return {f"validation_{figure}/{name}": value for name, value in validation.items()}


@dataclass(frozen=True)
class TeacherResult:
    """A trained teacher.

    Attributes:
        subnet: its shape.
        params: its trainable weights.
        figure: what was validated, "mAP" or "accuracy".
        validation: that figure on the validation split by name; empty without such a split.
    """

    subnet: str
    params: int
    figure: str
    validation: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        sizes = {"subnet": self.subnet, "params": self.params}
        return {**sizes, **scalar_names(self.figure, self.validation)}


@dataclass(frozen=True)
class SoftLabelsResult:
    """A teacher's scores of the training clips.

    Attributes:
        teacher: fingerprint of its weights.
        clips: how many clips were scored.
    """

    teacher: str
    clips: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SupernetResult:
    """A trained supernet.

    Attributes:
        subnets: how many it has.
        figure: what was validated, "mAP" or "accuracy".
        validation: that figure of some of them on the validation split, by name.
    """

    subnets: int
    figure: str
    validation: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"subnets": self.subnets, **scalar_names(self.figure, self.validation)}


@dataclass(frozen=True)
class SubnetResult:
    """A subnet that was trained alone.

    Attributes:
        subnet: its shape.
        costs: what it costs, by name.
        figure: what was validated, "mAP" or "accuracy".
        validation: that figure on the validation split by name.
        split: on which `metrics` were computed: evaluation, else validation.
        metrics: by name.
        file: the `.keras` file.
    """

    subnet: str
    costs: Mapping[str, float]
    figure: str
    validation: Mapping[str, float]
    split: str
    metrics: Mapping[str, float | None]
    file: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = dict.fromkeys(("mAP", self.figure))
        return {
            "subnet": self.subnet,
            **self.costs,
            **scalar_names(self.figure, self.validation),
            "split": self.split,
            **{name: self.metrics[name] for name in names},
            "file": self.file,
        }
