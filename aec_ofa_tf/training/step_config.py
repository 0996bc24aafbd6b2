"""The configuration of a train step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from aec_ofa_tf.audio.augment import SpecAugmentConfig
from aec_ofa_tf.audio.disturbances import DisturbanceConfig
from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.config import check_fields, choice, number
from aec_ofa_tf.training.config import MIXUP_DOMAINS, POWER

TARGETS = ("labels", "soft_labels", "teacher", "largest")


@dataclass(frozen=True)
class StepConfig:
    """Targets, augmentation and compilation of a train step.

    Attributes:
        target: targets of the subnets. "labels" or "soft_labels": those of the batch; "teacher":
            the teacher's scores of the students' clips, mixed and augmented except for
            SpecAugment; "largest": the labels for the first subnet, which must be the largest, and
            its scores for the others (in-place distillation, universally slimmable networks).
        seed: seed of all draws, which depend on it, the step number and the position of a clip.
        mixup: mix pairs of neighbouring clips and their targets; 2B clips become B pairs.
        mixup_alpha: parameter of the mixing weight's Beta distribution.
        mixup_domain: what is mixed: "log_mel", the normalised input; or "power", the clips' sounds
            (`audio.augment.mix_power`).
        crop_frames: frames of a random window of each clip (`audio.augment.random_crop`); 0 for
            whole clips.
        crop_silence: share of the windows that keep the silence around a clip's sound.
        time_roll: rotate each clip over time.
        gain_db: greatest random gain or attenuation of a clip, in dB; 0 for none.
        time_stretch: greatest change of a clip's speed, as a logarithm; 0 for none.
        equalizer_db: greatest gain of a mel bin by a random equaliser, in dB; 0 for none.
        mel_shift_bins: greatest shift of a clip over mel bins; 0 for none.
        disturbances: noise, less bandwidth and images of a resampler, after all of these.
        floor_db: level of digital silence in the records' front end, the minimum after a gain.
        label_smoothing: share of the labels that is spread evenly (`tasks.Task.smoothed`).
        label_weight: weight of the labels in targets that are a teacher's or subnet's scores.
        feature_weight: weight of the error of the subnets' features relative to the teacher's
            (`learnt.feature_error`); for the target "teacher".
        map_weight: weight of the error of the maps at the ends of stages (`learnt.map_error`).
        class_weights: weights of the classes in the loss, which divides them by their mean;
            empty for equal weights.
        spec_augment: SpecAugment's masks.
        jit_compile: run forward and backward passes through XLA, which needs execution by masks.

    Raises:
        ValueError: the target is none of these, the label's weight is outside [0, 1], features
            are to be learnt without a teacher, or class weights are negative, not finite or all 0.

    Example:
        >>> ofa.StepConfig("labels", mixup=True, gain_db=6.0).mixup_alpha
        1.0
    """

    target: str = choice("soft_labels", TARGETS)
    seed: int = 0
    mixup: bool = False
    mixup_alpha: float = number(1.0, 0.0)
    mixup_domain: str = choice("log_mel", MIXUP_DOMAINS)
    crop_frames: int = number(0, 0)
    crop_silence: float = number(0.0, 0.0, 1.0)
    time_roll: bool = False
    gain_db: float = number(0.0, 0.0)
    time_stretch: float = number(0.0, 0.0)
    equalizer_db: float = number(0.0, 0.0)
    mel_shift_bins: int = number(0, 0)
    disturbances: DisturbanceConfig = field(default_factory=DisturbanceConfig)
    floor_db: float = PANNS.floor_db
    label_smoothing: float = number(0.0, 0.0, 1.0)
    label_weight: float = number(0.0, 0.0, 1.0)
    feature_weight: float = number(0.0, 0.0)
    map_weight: float = number(0.0, 0.0)
    class_weights: tuple[float, ...] = ()
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    jit_compile: bool = False

    @property
    def mixes_power(self) -> bool:
        """Whether clips are mixed before the network, as sounds."""
        return self.mixup and self.mixup_domain == POWER

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("feature_weight", "map_weight"):
            if getattr(self, name) and self.target != "teacher":
                raise ValueError(f"{name} needs the target 'teacher', whose features are learnt")
        weights = self.class_weights
        if weights and (not all(0 <= w < math.inf for w in weights) or not any(weights)):
            raise ValueError(
                f"class_weights are finite, none is negative and not all are 0, received {weights}"
            )
