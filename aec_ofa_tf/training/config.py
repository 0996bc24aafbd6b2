"""How networks are trained: configurations of the training stages. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aec_ofa_tf.config import ConfigError, check_fields, choice, number, outcome, switch, text
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_subnet
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.training.precision import resolve_precision

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
EXECUTIONS = ("slices", "masks")
SCHEDULES = ("constant", "cosine")
POWER = "power"
MIXUP_DOMAINS = ("log_mel", POWER)
CLASS_WEIGHTS = ("none", "balanced")
CLIP_SAMPLINGS = ("epochs", "balanced")
_TEACHER_BLOCKS = 4


@dataclass(frozen=True)
class TrainConfig:
    """Settings of training for teacher, supernet and single subnets.

    Attributes:
        batch_size: Clips per step.
        learning_rate: Adam's learning rate.
        warmup_steps: Steps in which the learning rate rises linearly from 0.
        weight_decay: Decoupled weight decay (AdamW), as a share per unit of the learning rate.
        adam_epsilon: What Adam adds to the root of the second moment, below which gradients are too
            small to count; Keras has 1e-7, PyTorch 1e-8.
        lazy_adam: Adam leaves weights and their moments alone in steps in which their gradient is
            exactly 0, as that of channels that no subnet of a step has.
        ema_momentum: The result of training is a moving average of the weights, of which each step
            keeps this share: that of about the last 1 / (1 - ema_momentum) steps; 0 for none.
        label_smoothing: Share of the labels that is spread evenly over all classes; with several
            labels per clip, over a class's yes and no.
        schedule: Learning rate schedule: constant, or cosine decay to 0.
        precision: Precision of training; auto: mixed_bfloat16 if the CPU has bfloat16
            instructions, else float32.
        seed: Seed of all random numbers.
        mixup_alpha: Concentration of mixup's Beta distribution; 0 for no mixup.
        mixup_domain: What mixup mixes; log_mel: the normalised input, as PANNs; power: the sounds,
            at levels that are evened out (between-class learning).
        crop_secs: Length of a random window of each training clip, in seconds; 0 for whole clips.
            A clip repeats without end, and without the silence around its sound.
        crop_silence: Share of the windows that are cut out of the clip as it is, with its silence,
            which whole clips have too when the network is used.
        time_roll: Rotate training clips over time.
        gain_db: Greatest random gain or attenuation of training clips, in decibels.
        time_stretch: Training clips are played at speeds from exp(-time_stretch) to
            exp(time_stretch), at their own pitch.
        equalizer_db: Greatest gain or attenuation of a mel bin by the random equaliser of training
            clips, in decibels.
        mel_shift_bins: Training clips are moved by up to this number of mel bins.
        noise_share: Share of training clips with a floor of white noise, as of a microphone.
        noise_low_dbfs: Least level of that noise, in dB relative to full scale (RMS).
        noise_high_dbfs: Greatest level of that noise; levels between are equally likely.
        low_pass_share: Share of training clips with less bandwidth, by a low-pass of random cut-off
            and steepness.
        low_pass_hz: Lowest cut-off of that low-pass.
        resample_share: Share of training clips with the images that poor resamplers leave, linear
            interpolation or MediaPipe's, from random rates of 8 to 48 kHz.
        noise_source: Folder of recordings that are mixed into training clips as backgrounds; None:
            no backgrounds. Up to 256 windows of them are kept in memory.
        background_share: Share of training clips with a background from noise_source.
        background_low_snr_db: Least ratio of a clip's power to its background's, in decibels.
        background_high_snr_db: Greatest ratio; ratios between are equally likely.
        time_mask_frames: SpecAugment's time masks have fewer frames than this; 1 for no masks.
        mel_mask_bins: SpecAugment's frequency masks have fewer mel bins than this; 1 for no masks.
        class_weights: Weights of the classes in the loss; none: equal weights; balanced: inversely
            proportional to their numbers of training clips.
        clip_sampling: How training clips are drawn; epochs: each once in an epoch; balanced: a
            class, each alike, then one of its clips, with all of its labels (PANNs); clips without
            a label are a class.
        calibration_clips: Training clips for recalibrating batch-norm statistics.
        execution: slices: compute only a subnet's channels; masks: compute all channels and set
            the rest to 0, so that shapes are static, which jit_compile needs.
        jit_compile: Compile forward and backward passes with XLA.
        checkpoint_every: Steps between checkpoints.
        summary_every: Steps between TensorBoard scalars.
        validate_every: Steps between validations; 0: only at the end.
        profile_steps: Steps that TensorFlow's profiler records, soon after training begins or is
            resumed; 0: none.

    Raises:
        ConfigError: a value is outside its bounds, or two contradict each other.

    Example:
        >>> ofa.TrainConfig(batch_size=32, learning_rate=3e-3, schedule="cosine").seed
        0
    """

    batch_size: int = number(64, 1)
    learning_rate: float = number(1e-3, 1e-12)
    warmup_steps: int = number(0, 0, is_later=True)
    weight_decay: float = number(0.0, 0.0, is_later=True)
    adam_epsilon: float = number(1e-7, 1e-16, 1.0, is_later=True)
    lazy_adam: bool = switch(False, is_later=True)
    ema_momentum: float = number(0.0, 0.0, 0.999999, is_later=True)
    label_smoothing: float = number(0.0, 0.0, 0.999, is_later=True)
    schedule: str = choice("constant", SCHEDULES)
    precision: str = choice("auto", PRECISIONS)
    seed: int = number(0, 0, 2**31 - 1)
    mixup_alpha: float = number(1.0, 0.0, 100.0)
    mixup_domain: str = choice("log_mel", MIXUP_DOMAINS, is_later=True)
    crop_secs: float = number(0.0, 0.0, 3600.0, is_later=True)
    crop_silence: float = number(0.0, 0.0, 1.0, is_later=True)
    time_roll: bool = switch(False)
    gain_db: float = number(0.0, 0.0, 100.0)
    time_stretch: float = number(0.0, 0.0, 1.0, is_later=True)
    equalizer_db: float = number(0.0, 0.0, 100.0, is_later=True)
    mel_shift_bins: int = number(0, 0, 1000, is_later=True)
    noise_share: float = number(0.0, 0.0, 1.0, is_later=True)
    noise_low_dbfs: float = number(-100.0, -200.0, 0.0, is_later=True)
    noise_high_dbfs: float = number(-40.0, -200.0, 0.0, is_later=True)
    low_pass_share: float = number(0.0, 0.0, 1.0, is_later=True)
    low_pass_hz: float = number(3000.0, 100.0, is_later=True)
    resample_share: float = number(0.0, 0.0, 1.0, is_later=True)
    noise_source: str | None = text(None, is_later=True)
    background_share: float = number(0.5, 0.0, 1.0, is_later=True)
    background_low_snr_db: float = number(0.0, -60.0, 100.0, is_later=True)
    background_high_snr_db: float = number(20.0, -60.0, 100.0, is_later=True)
    time_mask_frames: int = number(64, 1)
    mel_mask_bins: int = number(8, 1)
    class_weights: str = choice("none", CLASS_WEIGHTS)
    clip_sampling: str = choice("epochs", CLIP_SAMPLINGS, is_later=True)
    calibration_clips: int = number(1024, 1)
    execution: str = choice("slices", EXECUTIONS, changes_outcome=False)
    jit_compile: bool = switch(False, changes_outcome=False)
    checkpoint_every: int = number(200, 1, changes_outcome=False)
    summary_every: int = number(20, 1, changes_outcome=False)
    validate_every: int = number(0, 0, changes_outcome=False)
    profile_steps: int = number(0, 0, 1000, changes_outcome=False)

    @property
    def disturbs(self) -> bool:
        """Whether clips get noise, less bandwidth, images of a resampler or backgrounds."""
        has_background = self.noise_source is not None and self.background_share > 0
        return has_background or max(self.noise_share, self.low_pass_share, self.resample_share) > 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.crop_silence and not self.crop_secs:
            raise ConfigError(
                "crop_silence is a share of the random windows: give them a length by crop_secs",
                *("crop_silence", "crop_secs"),
            )
        for low, high in (
            ("noise_low_dbfs", "noise_high_dbfs"),
            ("background_low_snr_db", "background_high_snr_db"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f"{low}={getattr(self, low):g} is above {high}={getattr(self, high):g}: "
                    f"exchange them",
                    *(low, high),
                )
        if self.jit_compile and self.execution != "masks":
            raise ConfigError(
                "jit_compile needs static shapes: add execution='masks'", "jit_compile", "execution"
            )


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher: PANNs' CNN10 trained on the labels with mixup and SpecAugment (paper 3.2).

    Attributes:
        train: settings of training.
        base_channels: Channels of the teacher's first block; each further block doubles them.
        steps: Steps of the teacher's training.

    Example:
        >>> print(ofa.TeacherConfig(base_channels=16, steps=3000).subnet)
        16x2-32x2-64x2-128x2
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    base_channels: int = number(64, 1)
    steps: int = number(400_000, 1)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def subnet(self) -> Subnet:
        """The teacher's shape."""
        widths = [self.base_channels * 2**block for block in range(_TEACHER_BLOCKS)]
        return cnn10_subnet([(width, width) for width in widths])

    @property
    def embedding_units(self) -> int:
        """Width of the teacher's fully-connected layer: the width of its last block."""
        return self.base_channels * 2 ** (_TEACHER_BLOCKS - 1)

    def network(self, student: NetworkConfig) -> Cnn10Network:
        """The teacher's static parts: PANNs' CNN10, which pools after all four blocks.

        Args:
            student: the network that it teaches, with the same input, classes and, for CNN10s,
                dropout rates.
        """
        is_cnn10 = isinstance(student, Cnn10Network)
        rates = {
            name: getattr(student, name)
            for name in ("block_dropout", "embedding_dropout")
            if is_cnn10
        }
        return Cnn10Network(
            classes=student.classes,
            frames=student.frames,
            embedding_units=self.embedding_units,
            mel_bins=student.mel_bins,
            pool_last=True,
            task=student.task,
            **rates,
        )


@dataclass(frozen=True)
class EvaluationConfig:
    """How trained subnets are evaluated.

    Attributes:
        batch_size: Clips per batch; None: as in training.
        calibration_clips: Training clips that batch-norm statistics are computed on; None: as in
            training.

    Example:
        >>> ofa.EvaluationConfig(batch_size=8)
        EvaluationConfig(batch_size=8, calibration_clips=None)
    """

    batch_size: int | None = number(None, 1)
    calibration_clips: int | None = number(None, 1)

    def __post_init__(self) -> None:
        check_fields(self)


def resume_key(config: Any) -> dict[str, Any]:
    """The fields that change a stage's outcome, with `auto` precision resolved on this machine."""
    values = outcome(config)
    return {**values, "precision": resolve_precision(values["precision"])}
