"""How networks are trained: configurations of the training stages. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aec_ofa_tf.config import ConfigError, check_fields, choice, number, outcome, switch
from aec_ofa_tf.models.cnn10 import cnn10_subnet
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.tasks import TASKS, default_task
from aec_ofa_tf.training.precision import resolve_precision

OBJECTIVES = ("labels", "distill")
SUBNET_INITS = ("random", "supernet")
SUPERNET_INITS = ("random", "teacher", "pretrained")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
SAMPLERS = ("uniform", "sandwich", "largest")
DISTILL_FROM = ("cache", "online", "largest")
EXECUTIONS = ("slices", "masks")
SCHEDULES = ("constant", "cosine")
CLASS_WEIGHTS = ("none", "balanced")
_TEACHER_BLOCKS = 4


@dataclass(frozen=True)
class NetworkOptions:
    """What all subnets share and the data do not determine.

    Attributes:
        task: What the outputs mean: multi_label, single_label, or auto: single_label where every
            clip of the records has exactly one label.
        pool_last: Pool after the supernet's last block too, as PANNs do.
        block_dropout: Dropout rate after each block.
        embedding_dropout: Dropout rate before the fully-connected layer.

    Raises:
        ConfigError: a value is outside its bounds.

    Example:
        >>> ofa.NetworkOptions(task="single_label", embedding_dropout=0.2).block_dropout
        0.2
    """

    task: str = choice("auto", ("auto", *TASKS))
    pool_last: bool = switch(False)
    block_dropout: float = number(0.2, 0.0, 1.0)
    embedding_dropout: float = number(0.5, 0.0, 1.0)

    def __post_init__(self) -> None:
        check_fields(self)

    def network(
        self, space: SearchSpace, classes: int, frames: int, mel_bins: int, single_label: bool
    ) -> NetworkConfig:
        """The static parts of the supernet of a space.

        Args:
            space: the subnets.
            classes: number of outputs.
            frames: frames of a clip's log-mel.
            mel_bins: bins of a frame.
            single_label: whether every clip has exactly one label, for the task auto.
        """
        return space.network(
            classes,
            frames,
            mel_bins,
            task=default_task(single_label) if self.task == "auto" else self.task,
            **self._changed(),
        )

    def _changed(self) -> dict[str, bool | float]:
        """What is not a default: a family that lacks such a part refuses it."""
        defaults = NetworkOptions()
        names = ("pool_last", "block_dropout", "embedding_dropout")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value != getattr(defaults, name)}


@dataclass(frozen=True)
class TrainConfig:
    """What the training of teacher, supernet and single subnets has in common.

    Attributes:
        batch_size: Clips per step.
        learning_rate: Adam's learning rate.
        warmup_steps: Steps in which the learning rate rises linearly from 0.
        weight_decay: Decoupled weight decay (AdamW), as a share per unit of the learning rate.
        schedule: Decay of the learning rate to 0: constant for none, or cosine.
        precision: Arithmetic of training; auto: bfloat16 where the CPU computes in it.
        seed: Seed of everything that is random.
        mixup_alpha: Concentration of mixup's Beta distribution; 0 for no mixup.
        time_roll: Rotate training clips over time.
        gain_db: Make training clips louder or softer by up to so many decibels.
        time_mask_frames: Greatest width of SpecAugment's stripes over time, in frames.
        mel_mask_bins: Greatest width of SpecAugment's stripes over frequency, in mel bins.
        class_weights: Weights of the classes in the loss; none: all alike; balanced: in inverse
            proportion to their number of training clips.
        calibration_clips: Training clips that batch-norm statistics are computed on.
        execution: slices: compute only a subnet's channels; masks: compute all and zero the rest,
            which keeps shapes static, as jit_compile needs.
        jit_compile: Compile forward and backward passes with XLA.
        checkpoint_every: Steps between checkpoints.
        summary_every: Steps between the scalars that TensorBoard shows.
        validate_every: Steps between validations; 0: at the end only.

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
    schedule: str = choice("constant", SCHEDULES)
    precision: str = choice("auto", PRECISIONS)
    seed: int = number(0, 0, 2**31 - 1)
    mixup_alpha: float = number(1.0, 0.0)
    time_roll: bool = switch(False)
    gain_db: float = number(0.0, 0.0)
    time_mask_frames: int = number(64, 1)
    mel_mask_bins: int = number(8, 1)
    class_weights: str = choice("none", CLASS_WEIGHTS)
    calibration_clips: int = number(1024, 1)
    execution: str = choice("slices", EXECUTIONS, changes_outcome=False)
    jit_compile: bool = switch(False, changes_outcome=False)
    checkpoint_every: int = number(200, 1, changes_outcome=False)
    summary_every: int = number(20, 1, changes_outcome=False)
    validate_every: int = number(0, 0, changes_outcome=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.jit_compile and self.execution != "masks":
            raise ConfigError(
                "jit_compile needs static shapes: add execution='masks'", "jit_compile", "execution"
            )


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher: PANNs' CNN10 trained on the labels with mixup and SpecAugment (paper 3.2).

    Attributes:
        train: what all training has in common.
        base_channels: Channels of the teacher's first block; each next block doubles them.
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
        """Width of the teacher's fully-connected layer: that of its last block."""
        return self.base_channels * 2 ** (_TEACHER_BLOCKS - 1)


@dataclass(frozen=True)
class TransferConfig:
    """How a pretrained network is trained on: a new classifier first, then all of it.

    Attributes:
        pretrained: Keras file of the network to start from, as import_weights writes it.
        classifier_steps: Steps in which the classifier is trained alone.
        body_warmup_steps: Steps after these in which the body's learning rate rises linearly.
        body_rate: The body's learning rate, as a share of the classifier's.
    """

    pretrained: str | None = None
    classifier_steps: int = number(0, 0, is_later=True)
    body_warmup_steps: int = number(0, 0, is_later=True)
    body_rate: float = number(1.0, 0.0, 1.0, is_later=True)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SupernetConfig:
    """The supernet: the largest subnet alone, then K sampled subnets a step (paper 2.3, 3.3).

    Attributes:
        train: what all training has in common.
        largest_steps: Steps of phase 1, which trains the largest subnet alone.
        steps: Steps of phase 2, which trains K sampled subnets in each step.
        subnets_per_step: K, the number of subnets sampled in a step of phase 2.
        init: What the supernet starts from: random weights; the teacher's, which must have the
            same widths; or those of a pretrained network.
        transfer: how a pretrained network is trained on.
        sampler: Subnets of a step of phase 2: uniform: K independent draws; sandwich: the largest,
            the smallest and K - 2 draws; or the largest alone.
        distill_from: What the subnets learn from: cache: the teacher's outputs for clean clips,
            computed once; online: the teacher, run on the augmented clips that the students get;
            largest: the largest subnet of the step, which learns the labels (in-place
            distillation, with the sandwich sampler).
        student_mixup: Mix the students' clips and soft labels too.
        label_weight: Share of the true label in the students' target.

    Raises:
        ConfigError: a value is outside its bounds, or sampler and distillation do not fit.

    Example:
        >>> ofa.SupernetConfig(largest_steps=500, steps=2000, sampler="sandwich").last_step
        2500
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    largest_steps: int = number(100_000, 0)
    steps: int = number(200_000, 1)
    subnets_per_step: int = number(4, 1)
    init: str = choice("random", SUPERNET_INITS)
    sampler: str = choice("uniform", SAMPLERS)
    distill_from: str = choice("cache", DISTILL_FROM)
    student_mixup: bool = switch(False)
    label_weight: float = number(0.0, 0, 1)
    transfer: TransferConfig = field(default_factory=TransferConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.init == "pretrained") != bool(self.transfer.pretrained):
            raise ConfigError(
                "init='pretrained' and pretrained, the file of a pretrained network, need each "
                "other: give both or neither",
                *("init", "pretrained"),
                owner=SupernetConfig,
            )
        if self.sampler == "sandwich" and self.subnets_per_step < 2:
            raise ConfigError(
                "sampler='sandwich' takes at least two subnets: raise subnets_per_step",
                *("sampler", "subnets_per_step"),
                owner=SupernetConfig,
            )
        if self.distill_from == "largest" and self.sampler != "sandwich":
            raise ConfigError(
                "distill_from='largest' needs the largest subnet in every step, and others that "
                "learn from it: add sampler='sandwich'",
                *("distill_from", "sampler"),
                owner=SupernetConfig,
            )

    @property
    def last_step(self) -> int:
        """The step at which both phases have ended."""
        return self.largest_steps + self.steps

    def check_teacher(self, teacher: TeacherConfig, space: SearchSpace) -> None:
        """Refuses to start from a teacher of other widths than the largest subnet's.

        Raises:
            ConfigError: they differ.
        """
        if self.init == "teacher" and teacher.subnet != space.largest:
            raise ConfigError(
                f"init='teacher' needs a teacher of the largest subnet's widths {space.largest}, "
                f"this one has {teacher.subnet}: set the teacher's base_channels",
                *("init", "base_channels"),
                owner=SupernetConfig,
            )


@dataclass(frozen=True)
class SubnetConfig:
    """One subnet trained alone: the paper's baselines and fine-tuning (3.2, 4.3).

    Attributes:
        train: what all training has in common; its mixup is left out.
        objective: What the single subnet learns from: the labels, or (distill) the teacher's
            cached soft labels.
        init: What the single subnet starts from: random weights, or the supernet's.
        steps: Steps of the single subnet's training.
        label_weight: Share of the true label in the target, where the objective is distill.

    Example:
        >>> ofa.SubnetConfig(objective="labels", init="supernet", steps=500).label_weight
        0.0
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    objective: str = choice("distill", OBJECTIVES)
    init: str = choice("random", SUBNET_INITS)
    steps: int = number(100_000, 1)
    label_weight: float = number(0.0, 0, 1)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class EvaluationConfig:
    """How trained subnets are run.

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
    """What the outcome of a training stage depends on, its precision resolved for this machine."""
    values = outcome(config)
    return {**values, "precision": resolve_precision(values["precision"])}
