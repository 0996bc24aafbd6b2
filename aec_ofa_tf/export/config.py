"""Which files are made of a network, checked before anything is trained. No TensorFlow here."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aec_ofa_tf.config import ConfigError, check_fields, choice, number, outcome
from aec_ofa_tf.export.request import check_kind
from aec_ofa_tf.tagging.model_file import IO_TYPES
from aec_ofa_tf.training.config import EvaluationConfig

QAT = "int8_qat"
"""The quantisation whose networks are fine-tuned first."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportConfig:
    """Which TFLite files are made of a network, and what they must hold.

    Attributes:
        inputs: Inputs of the TFLite files: log_mel, waveform.
        quantizations: Quantisations of the TFLite files: float32, float16, dynamic, int8,
            int8_qat.
        io_type: Type of the tensors at both ends of a file; int8 is for log_mel inputs and int8
            networks, and makes files of their own names beside the others.
        parity_clips: Clips on which every file is compared with Keras.
        max_map_drop: How far the mAP (or the accuracy, of single-label networks) of a dynamic,
            int8 or int8_qat file may fall below Keras' on these clips; beyond it the conversion
            fails.
        representative_clips: Training clips that int8 scales are found on.
        seed: Seed of the choice of representative clips.
        qat_steps: Steps of fine-tuning for int8_qat files.
        qat_learning_rate: First learning rate of fine-tuning for int8_qat files; it falls to 0.
        qat_batch_size: Batch size of fine-tuning for int8_qat files.
        qat_clips: Training clips that fine-tuning for int8_qat files uses.
        evaluation: batch size and calibration clips.

    Raises:
        ConfigError: a value is outside its bounds, or no file is named.
        ValueError: an input or a quantisation is met in no pair.
    """

    inputs: Sequence[str] = ("log_mel",)
    quantizations: Sequence[str] = ("float32",)
    io_type: str = choice("float32", IO_TYPES)
    parity_clips: int = number(100, 1)
    max_map_drop: float = number(0.05, 0.0)
    representative_clips: int = number(100, 1)
    seed: int = number(0, 0, 2**31 - 1)
    qat_steps: int = number(300, 1)
    qat_learning_rate: float = number(1e-4, 1e-12)
    qat_batch_size: int = number(16, 1)
    qat_clips: int = number(1024, 1)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("inputs", "quantizations"):
            value = getattr(self, name)
            words = (value,) if isinstance(value, str) else tuple(word for word in value if word)
            object.__setattr__(self, name, words)
        kinds, refused = self._pairs()
        for kind, refusal in refused.items():
            if not all(any(part == other[i] for other in kinds) for i, part in enumerate(kind)):
                raise refusal
        if not kinds:
            raise ConfigError(
                "inputs and quantizations name no file to make",
                *("inputs", "quantizations"),
                owner=ExportConfig,
            )

    @property
    def uses_qat(self) -> bool:
        """Whether networks are fine-tuned for int8."""
        return QAT in self.quantizations

    def kinds(self, payload: str) -> list[tuple[str, str]]:
        """Every pair of input and quantisation that can be made.

        A pair that cannot be made, where the quantisation and the input are met in other pairs,
        is left out with a warning.

        Args:
            payload: what the records hold.

        Raises:
            ConfigError: waveform-in files have no waveforms to be checked on.
        """
        self.check_payload(payload)
        kinds, refused = self._pairs()
        for refusal in refused.values():
            _log.warning("left out: %s", refusal)
        return kinds

    def check_payload(self, payload: str) -> None:
        """Refuses waveform-in files where the records hold no waveforms.

        Raises:
            ConfigError: they hold none.
        """
        if "waveform" in self.inputs and payload != "audio":
            raise ConfigError(
                "inputs='waveform' is checked and calibrated on waveforms, and the records hold "
                "log-mel: prepare them with payload='audio'",
                *("inputs", "payload"),
                owner=ExportConfig,
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What the files depend on, as JSON values: the resume key."""
        return {
            name: value
            for name, value in outcome(self).items()
            if self.uses_qat or not name.startswith("qat_")
        }

    @property
    def qat_settings(self) -> dict[str, Any]:
        """What fine-tuning depends on, as JSON values."""
        return {name: value for name, value in outcome(self).items() if name.startswith("qat_")}

    def _pairs(self) -> tuple[list[tuple[str, str]], dict[tuple[str, str], ValueError]]:
        """The pairs that can be made, and the errors of those that cannot."""
        kinds: list[tuple[str, str]] = []
        refused: dict[tuple[str, str], ValueError] = {}
        for kind in dict.fromkeys(itertools.product(self.inputs, self.quantizations)):
            try:
                check_kind(*kind, self.io_type)
            except ValueError as error:
                refused[kind] = error
            else:
                kinds.append(kind)
        return kinds, refused
