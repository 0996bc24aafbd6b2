"""The results of the training stages. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


def scalar_names(figure: str, validation: Mapping[str, float]) -> dict[str, float]:
    """Validation figures by their names in TensorBoard and output: `validation_mAP/largest`."""
    return {f"validation_{figure}/{name}": value for name, value in validation.items()}


@dataclass(frozen=True)
class TeacherResult:
    """A trained teacher.

    Attributes:
        subnet: text of its subnet.
        params: number of trainable weights.
        figure: the task's figure, "mAP" or "accuracy".
        validation: the figure on the validation split by name; empty without validation clips.
    """

    subnet: str
    params: int
    figure: str
    validation: Mapping[str, float]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        sizes = {"subnet": self.subnet, "params": self.params}
        return {**sizes, **scalar_names(self.figure, self.validation)}


@dataclass(frozen=True)
class SoftLabelsResult:
    """A teacher's scores of the training clips.

    Attributes:
        teacher: fingerprint of the teacher's weights.
        clips: number of clips.
    """

    teacher: str
    clips: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SupernetResult:
    """A trained supernet.

    Attributes:
        subnets: number of its subnets.
        figure: the task's figure, "mAP" or "accuracy".
        validation: the figure on the validation split by name of the subnet, of
            `SearchSpace.landmarks`; empty without validation clips.
    """

    subnets: int
    figure: str
    validation: Mapping[str, float]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"subnets": self.subnets, **scalar_names(self.figure, self.validation)}


@dataclass(frozen=True)
class SubnetResult:
    """A subnet that was trained alone.

    Attributes:
        subnet: text of the subnet.
        costs: its costs by name.
        figure: the task's figure, "mAP" or "accuracy".
        validation: the figure on the validation split by name; empty without validation clips.
        split: the split of `metrics`: evaluation, or validation if there are no evaluation clips;
            "" without either.
        metrics: metrics by name, see `metrics.Metrics`; empty without a split.
        file: path of the `.keras` file.
    """

    subnet: str
    costs: Mapping[str, float]
    figure: str
    validation: Mapping[str, float]
    split: str
    metrics: Mapping[str, float | None]
    file: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        names = dict.fromkeys(("mAP", self.figure))
        return {
            "subnet": self.subnet,
            **self.costs,
            **scalar_names(self.figure, self.validation),
            "split": self.split,
            **{name: self.metrics.get(name) for name in names},
            "file": self.file,
        }
