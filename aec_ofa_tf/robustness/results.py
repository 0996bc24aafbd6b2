"""The figures of a model under every condition. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from aec_ofa_tf.config import ConfigError, check_fields
from aec_ofa_tf.files import JsonObject

CLEAN = "clean"


def require_audio(payload: str) -> None:
    """Checks that records hold waveforms.

    Args:
        payload: `Dataset.payload`.

    Raises:
        ConfigError: they hold log-mel.
    """
    if payload != "audio":
        raise ConfigError(
            "robustness changes waveforms, and these records, of payload='log_mel', hold none: "
            "prepare another directory with payload='audio'",
            *("robustness", "payload"),
        )


@dataclass(frozen=True)
class Robustness:
    """A model's figure on the clips of a split, as they are and under every condition.

    Attributes:
        figure: what is measured, "mAP" or "accuracy".
        split: the split.
        clips: number of clips.
        figures: the figure by the condition's name; the first is `CLEAN`.

    Raises:
        ValueError: a value has another type, or there is no clean figure.
    """

    figure: str
    split: str
    clips: int
    figures: Mapping[str, float]

    def __post_init__(self) -> None:
        check_fields(self)
        if CLEAN not in self.figures:
            raise ValueError(f"figures begin with that of {CLEAN} clips, received {self.figures}")

    @property
    def lost(self) -> dict[str, float]:
        """The clean figure minus that of every other condition."""
        clean = self.figures[CLEAN]
        return {name: clean - value for name, value in self.figures.items() if name != CLEAN}

    @property
    def worst(self) -> str:
        """The name of the condition with the lowest figure."""
        return min(self.figures, key=lambda name: self.figures[name])

    @property
    def summary(self) -> dict[str, object]:
        """The worst figure and its condition, as columns of a table of files."""
        return {
            f"worst_{self.figure}": self.figures[self.worst],
            "worst_condition": self.worst,
        }

    @property
    def rows(self) -> list[dict[str, object]]:
        """A row for every condition: its name, the figure, and what it loses against clean."""
        lost = self.lost
        return [
            {"condition": name, self.figure: value, "lost": lost.get(name)}
            for name, value in self.figures.items()
        ]

    def __str__(self) -> str:
        """A table."""
        # Devices that only tag have no tabulate.
        from aec_ofa_tf.reporting.tables import shown

        return shown(self.rows, {"condition": "", self.figure: ".4f", "lost": ".4f"})

    def as_dict(self) -> dict[str, object]:
        """For JSON; `from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: JsonObject) -> Robustness:
        """Reads `as_dict`."""
        return cls(**values)
