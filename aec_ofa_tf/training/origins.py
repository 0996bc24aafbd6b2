"""What training starts from and learns from, if that was made elsewhere. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass

from aec_ofa_tf.config import ConfigError, check_fields, number


@dataclass(frozen=True)
class SoftLabelsConfig:
    """The teacher whose scores of the clean training clips are the soft labels.

    Attributes:
        teacher_scores: A .csv or .npz file with the scores of every training clip, instead of a
            teacher that this run trains (`training.stored_scores`).
        teacher_model: A .tflite file of this project with its own front end, or a .keras file that
            takes the records' log-mel or waveforms, instead of a teacher that this run trains.

    Raises:
        ConfigError: both are given.

    Example:
        >>> ofa.SoftLabelsConfig(teacher_scores="passt.npz").is_foreign
        True
    """

    teacher_scores: str | None = None
    teacher_model: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.teacher_scores and self.teacher_model:
            raise ConfigError(
                "teacher_scores and teacher_model are two sources of soft labels: give one",
                *("teacher_scores", "teacher_model"),
                owner=SoftLabelsConfig,
            )

    @property
    def is_foreign(self) -> bool:
        """Whether the run needs no teacher of its own."""
        return bool(self.teacher_scores or self.teacher_model)


@dataclass(frozen=True)
class TransferConfig:
    """How a pretrained network is trained on: a new classifier first, then all of it.

    Attributes:
        pretrained: Keras file of the network to start from, as import_weights writes it.
        classifier_steps: Steps in which the classifier is trained alone.
        body_warmup_steps: Steps after these in which the body's learning rate rises linearly.
        body_rate: The body's learning rate, as a multiple of the classifier's.

    Example:
        >>> transfer = ofa.TransferConfig("runs/mn04/model.keras", classifier_steps=50)
        >>> ofa.SupernetConfig(init="pretrained", transfer=transfer).init
        'pretrained'
    """

    pretrained: str | None = None
    classifier_steps: int = number(0, 0, is_later=True)
    body_warmup_steps: int = number(0, 0, is_later=True)
    body_rate: float = number(1.0, 0.0, 100.0, is_later=True)

    def __post_init__(self) -> None:
        check_fields(self)


def check_pretrained(init: str, transfer: TransferConfig, owner: type) -> None:
    """Checks that `init` and the file of a pretrained network go together.

    Args:
        init: the initial weights of a training.
        transfer: how a pretrained network is trained on.
        owner: the configuration with the field `init`.

    Raises:
        ConfigError: only one of them is given.
    """
    if (init == "pretrained") != bool(transfer.pretrained):
        raise ConfigError(
            "init='pretrained' and pretrained, the file of a pretrained network, need each other: "
            "give both or neither",
            *("init", "pretrained"),
            owner=owner,
        )
