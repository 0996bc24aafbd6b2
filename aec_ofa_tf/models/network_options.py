"""Options of a network that do not follow from the data. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, fields

from aec_ofa_tf.config import ConfigError, check_fields, choice, number, switch
from aec_ofa_tf.models.family import network_class
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.tasks import TASKS, default_task


@dataclass(frozen=True)
class NetworkOptions:
    """The parts that all subnets share and that do not follow from the data.

    Attributes:
        task: Meaning of the outputs: multi_label, single_label, or auto: single_label if every
            clip of the records has exactly one of two or more labels, else multi_label.
        pool_last: CNN10s: pool also after the supernet's last block, as in PANNs.
        block_dropout: CNN10s: dropout rate after each block. Default: 0.2.
        embedding_dropout: Dropout rate before the fully-connected layer of a CNN10, or before the
            classifier of a MobileNet. Default: 0.5 and 0.2.

    Raises:
        ConfigError: a value is outside its bounds.

    Example:
        >>> ofa.NetworkOptions(task="single_label", embedding_dropout=0.2).embedding_dropout
        0.2
    """

    task: str = choice("auto", ("auto", *TASKS))
    pool_last: bool = switch(False)
    block_dropout: float | None = number(None, 0.0, below=1.0)
    embedding_dropout: float | None = number(None, 0.0, below=1.0)

    def __post_init__(self) -> None:
        check_fields(self)

    def network(
        self, space: SearchSpace, classes: int, frames: int, mel_bins: int, single_label: bool
    ) -> NetworkConfig:
        """The static parts of the supernet of a space.

        Args:
            space: the search space.
            classes: number of outputs.
            frames: frames of a clip's log-mel.
            mel_bins: mel bins of a clip's log-mel.
            single_label: whether every clip has exactly one label; used for the task auto.

        Raises:
            ConfigError: an option is given that the family does not have.
        """
        options = self._given()
        known = {field.name for field in fields(network_class(space.family))}
        foreign = sorted(options.keys() - known)
        if foreign:
            raise ConfigError(
                f"{' and '.join(foreign)} cannot be set for networks of the family "
                f"{space.family!r}: leave out",
                *foreign,
                owner=NetworkOptions,
            )
        task = default_task(single_label) if self.task == "auto" else self.task
        return space.network(classes, frames, mel_bins, task=task, **options)

    def _given(self) -> dict[str, bool | float]:
        """The options that are not left to the family."""
        values = {"block_dropout": self.block_dropout, "embedding_dropout": self.embedding_dropout}
        found: dict[str, bool | float] = {k: v for k, v in values.items() if v is not None}
        return {**found, "pool_last": True} if self.pool_last else found
