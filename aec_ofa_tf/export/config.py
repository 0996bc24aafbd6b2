"""The configuration of an export, checked before anything is trained. No TensorFlow here."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aec_ofa_tf.config import ConfigError, check_fields, choice, number, outcome, switch
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import file_metric
from aec_ofa_tf.export.request import check_kind, check_target
from aec_ofa_tf.micro.targets import TARGETS, TFLITE, require_packages
from aec_ofa_tf.robustness.results import require_audio
from aec_ofa_tf.tagging.model_file import INPUTS, IO_TYPES, QUANTIZATIONS
from aec_ofa_tf.training.config import EvaluationConfig

QAT = "int8_qat"
"""The quantisation that needs fine-tuning."""

_log = logging.getLogger(__name__)


def needed_by(target: str) -> dict[str, Any]:
    """The values of `ExportConfig` that a target needs, where they are not the defaults."""
    if target == TFLITE:
        return {}
    return {"inputs": ("log_mel",), "quantizations": ("int8",), "io_type": "int8"}


@dataclass(frozen=True)
class ExportConfig:
    """The TFLite files to make from a network, and the bounds that they must meet.

    Attributes:
        inputs: Inputs of the TFLite files: log_mel, waveform.
        quantizations: Quantisations of the TFLite files: float32, float16, dynamic, int8,
            int8_qat.
        target: What the files are for: tflite (phones, computers), micro (microcontrollers, by
            TFLite's micro interpreter) or an NPU by Vela's name, such as ethos-u55-128. All but
            the first need a log_mel input and int8 tensors, and write C files beside each file.
        io_type: Type of the input and output tensors of the TFLite files. int8 needs a log_mel
            input and an int8 or int8_qat network; such files have names of their own.
        parity_clips: Number of clips on which every TFLite file is compared with Keras.
        max_map_drop: Largest allowed drop of the mAP (the accuracy for single-label networks) of
            dynamic, int8 and int8_qat files from Keras' on the parity clips; beyond it the
            conversion fails. 1: no bound.
        representative_clips: Number of training clips for the calibration of int8 scales.
        split_channels: Compute channels of the first convolution of int8 networks apart if their
            ranges are far smaller than those of others, up to the depthwise convolution after it:
            they get scales of their own. The scores in float32 stay; the file has some more
            operators.
        seed: Seed of the choice of representative clips.
        robustness: Score every file on the evaluation split under noise, at another level, with
            less bandwidth and poorly resampled too, for its card and the table of the family; the
            records hold audio.
        qat_steps: Steps of QAT fine-tuning (int8_qat files).
        qat_learning_rate: Initial learning rate of QAT fine-tuning; it decays to 0.
        qat_batch_size: Batch size of QAT fine-tuning.
        qat_clips: Number of training clips for QAT fine-tuning.
        evaluation: batch size and calibration clips.

    Raises:
        ConfigError: a value is outside its bounds, or there is no input or no quantisation.
        ValueError: an input or a quantisation cannot be made in any combination.

    Example:
        >>> ofa.ExportConfig(inputs=["waveform"], quantizations=["float32", "int8"]).kinds("audio")
        [('waveform', 'float32'), ('waveform', 'int8')]
    """

    inputs: Sequence[str] = ("log_mel",)
    quantizations: Sequence[str] = ("float32",)
    target: str = choice(TFLITE, TARGETS, is_later=True)
    io_type: str = choice("float32", IO_TYPES)
    parity_clips: int = number(100, 1)
    max_map_drop: float = number(0.05, 0.0, 1.0)
    representative_clips: int = number(100, 1)
    split_channels: bool = switch(False, is_later=True)
    seed: int = number(0, 0, 2**31 - 1)
    robustness: bool = switch(False, is_later=True)
    qat_steps: int = number(300, 1)
    qat_learning_rate: float = number(1e-4, 1e-12)
    qat_batch_size: int = number(16, 1)
    qat_clips: int = number(1024, 1)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        for name, known in (("inputs", INPUTS), ("quantizations", QUANTIZATIONS)):
            value = getattr(self, name)
            words = (value,) if isinstance(value, str) else tuple(word for word in value if word)
            for word in words:
                if word not in known:
                    raise ConfigError(
                        f"{name} is a list of {', '.join(known)}, received {word!r}",
                        *(name,),
                        owner=ExportConfig,
                    )
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
        require_packages(self.target)

    @classmethod
    def for_target(cls, target: str, **settings: Any) -> ExportConfig:
        """The files for a target: int8 throughout unless it is tflite; other settings as given."""
        return cls(**{**needed_by(target), **settings, "target": target})

    @property
    def uses_qat(self) -> bool:
        """Whether networks are fine-tuned for int8."""
        return QAT in self.quantizations

    def kinds(self, payload: str) -> list[tuple[str, str]]:
        """Every pair of input and quantisation that can be made; others are logged as a warning.

        Args:
            payload: content of the records, "log_mel" or "audio".

        Raises:
            ConfigError: as `check_payload`.
        """
        self.check_payload(payload)
        kinds, refused = self._pairs()
        for refusal in refused.values():
            _log.warning("left out: %s", refusal)
        return kinds

    def check_payload(self, payload: str) -> None:
        """Checks that the records contain waveforms if these are needed.

        Raises:
            ConfigError: the records contain no waveforms.
        """
        if "waveform" in self.inputs and payload != "audio":
            raise ConfigError(
                "inputs='waveform' needs records of audio for checks and calibration, and "
                f"payload={payload!r} keeps none: prepare them with payload='audio'",
                *("inputs", "payload"),
                owner=ExportConfig,
            )
        if self.robustness:
            require_audio(payload)

    def check_budgets(self, budgets: Iterable[Budget]) -> None:
        """Checks that a bound on a file's bytes is one on a file that is requested.

        Raises:
            ConfigError: a budget bounds files with log-mel input, and all requested files of this
                quantisation have waveform input and so contain a front end besides.
        """
        kinds, _ = self._pairs()
        alone = [q for kind, q in kinds if kind == "waveform" and ("log_mel", q) not in kinds]
        for budget, quantization in itertools.product(budgets, alone):
            own, other = (file_metric(kind, quantization) for kind in ("waveform", "log_mel"))
            bounded = {name for name, _, high in budget.bounds if high < math.inf}
            if other in bounded and own not in bounded:
                raise ConfigError(
                    f"the budget {budget} bounds the {quantization} file with log-mel input, but "
                    "inputs='waveform' requests one that contains the front end besides: bound "
                    f"{own} instead of {other}, or add inputs='log_mel'",
                    *("inputs",),
                    owner=ExportConfig,
                )

    @property
    def settings(self) -> dict[str, object]:
        """The settings that the files depend on, as JSON values: the resume key."""
        return {
            name: value
            for name, value in outcome(self).items()
            if self.uses_qat or not name.startswith("qat_")
        }

    @property
    def qat_settings(self) -> dict[str, object]:
        """The settings that fine-tuning depends on, as JSON values."""
        return {name: value for name, value in outcome(self).items() if name.startswith("qat_")}

    def _pairs(self) -> tuple[list[tuple[str, str]], dict[tuple[str, str], ValueError]]:
        """The pairs that can be made, and the errors of those that cannot."""
        kinds: list[tuple[str, str]] = []
        refused: dict[tuple[str, str], ValueError] = {}
        for kind in dict.fromkeys(itertools.product(self.inputs, self.quantizations)):
            try:
                check_kind(*kind, self.io_type)
                check_target(self.target, *kind, self.io_type)
            except ValueError as error:
                refused[kind] = error
            else:
                kinds.append(kind)
        return kinds, refused
