"""The train step of supernets, teachers and single subnets alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tensorflow as tf

from aec_ofa_tf.audio.augment import (
    SpecAugmentConfig,
    mix_pairs,
    mixup_lambda,
    random_gain,
    spec_augment_mask,
    time_roll,
)
from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.layers.batch_norm import replica_count
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import MASKS
from aec_ofa_tf.models.draws import Draws, dropout_masks
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.gradients import Gradients, LossConfig, StepInputs, shared_gradients
from aec_ofa_tf.training.sampler import Sampler

TARGETS = ("labels", "soft_labels", "teacher", "largest")
_STREAMS = 5


@dataclass(frozen=True)
class StepConfig:
    """What a train step does besides the forward and backward passes.

    Attributes:
        target: what the subnets learn: "labels" or "soft_labels" of the batch; what the
            "teacher" answers to the very clips that the students hear; or, of the subnets after
            the first, which learns the labels and must be the "largest", that one's scores
            (in-place distillation, universally slimmable networks).
        seed: of all draws; with the step's number and a clip's position it determines them.
        mixup: mix neighbouring clips and their targets; a batch of 2B clips gives B.
        mixup_alpha: of the Beta distribution of the mixing weight.
        time_roll: rotate each clip over time.
        gain_db: the greatest gain by which a clip is made louder or softer; 0 for none.
        floor_db: level of digital silence in the records' front end, the least after a gain.
        label_weight: share of the true label in a teacher's target.
        class_weights: weights of the classes in the loss, which divides them by their mean;
            empty for equal weights.
        spec_augment: stripes to blank.
        jit_compile: run forward and backward passes through XLA, which needs execution by masks.

    Raises:
        ValueError: the target is none of these, the label's weight is outside [0, 1], or a class
            has a negative weight.

    Example:
        >>> ofa.StepConfig("labels", mixup=True, gain_db=6.0).mixup_alpha
        1.0
    """

    target: str = "soft_labels"
    seed: int = 0
    mixup: bool = False
    mixup_alpha: float = 1.0
    time_roll: bool = False
    gain_db: float = 0.0
    floor_db: float = PANNS.floor_db
    label_weight: float = 0.0
    class_weights: tuple[float, ...] = ()
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    jit_compile: bool = False

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {TARGETS}, received {self.target!r}")
        if not 0 <= self.label_weight <= 1:
            raise ValueError(f"label_weight must lie in [0, 1], received {self.label_weight}")
        if any(weight < 0 for weight in self.class_weights):
            raise ValueError(f"class_weights cannot be negative, received {self.class_weights}")


class Trainer(keras.Model):
    """Trains a supernet by K sampled subnets per step (paper equation 2).

    It works under `fit`, in a loop of one's own, and on the replicas of a `tf.distribute`
    strategy, each of which gets an equal, contiguous part of the global batch. A step depends on
    weights, optimiser, batch, seed and step number alone.

    `evaluate`, `predict` and compiled metrics use one subnet: the largest, or that of `watch`.
    Its batch norms use the batch's own moments unless `watch` gets the statistics of
    `SubnetEvaluator.recalibrate`, which every reported figure should use.

    Example:
        >>> sampler = uniform_sampler(space, 2)  # of aec_ofa_tf.training.sampler
        >>> trainer = ofa.Trainer(supernet, sampler, ofa.StepConfig("labels"))
        >>> trainer.compile(optimizer="adam", metrics=[keras.metrics.AUC(multi_label=True)])
        >>> history = trainer.fit(batches, validation_data=batches, shuffle=False, verbose=0)

    Args:
        supernet: the network to train.
        sampler: which subnets a step computes.
        config: augmentation, target and seed.
        teacher: from log-mel, float32 [clips, frames, mel bins], to scores [clips, classes], for
            the target "teacher".
        gradients: how the K subnets are computed.

    Raises:
        ValueError: XLA is wanted and the supernet is not executed by masks, the target is a
            teacher and there is none, or there are not as many class weights as classes.
    """

    def __init__(
        self,
        supernet: Supernet,
        sampler: Sampler,
        config: StepConfig,
        teacher: Callable[[tf.Tensor], tf.Tensor] | None = None,
        gradients: Gradients = shared_gradients,
    ) -> None:
        super().__init__(name="trainer", dtype=supernet.dtype_policy)
        if config.jit_compile and supernet.execution != MASKS:
            raise ValueError(
                f"XLA needs the static shapes of execution='masks', received {supernet.execution!r}"
            )
        if (config.target == "teacher") != (teacher is not None):
            raise ValueError("a teacher is given if and only if it is the target")
        weights, classes = len(config.class_weights), supernet.network.classes
        if weights not in (0, classes):
            raise ValueError(f"class_weights need {classes} values, received {weights}")
        self.supernet = supernet
        self.task = supernet.network.get_task()
        self.sampler = sampler
        self.config = config
        self.teacher = teacher
        self.gradients = gradients
        self.watch(supernet.space.largest)
        self.built = True

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As Keras', with the metrics made for scores and labels [clips, classes]."""
        super().compile(*args, **kwargs)
        if self._compile_metrics is not None:
            # Training steps do not update metrics, but Keras asks for their results: some have
            # none before they have seen a batch.
            zeros = tf.zeros([1, self.supernet.network.classes])
            self._compile_metrics.update_state(zeros, zeros)
            self._compile_metrics.reset_state()

    def __repr__(self) -> str:
        return f"Trainer({self.supernet!r})"

    def watch(self, subnet: Subnet, statistics: Statistics | None = None) -> None:
        """Names the subnet that `evaluate`, `predict` and validation under `fit` are of.

        Args:
            subnet: the subnet.
            statistics: its recalibrated batch-norm moments; each batch's own by default.
        """
        self._watched, self._statistics = subnet, statistics
        self.test_function = self.predict_function = None  # traced for the one before

    def call(self, log_mel: tf.Tensor) -> tf.Tensor:
        """Scores of the watched subnet, float32 [clips, classes]."""
        logits, _ = self.supernet(log_mel, self._watched, self._statistics)
        return self.task.scores(logits)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, Any]:
        """One update under `fit`: `step`, of which `loss` is the mean over the epoch so far."""
        self._loss_tracker.update_state(self.step(batch))
        return {"loss": self._loss_tracker.result()}

    def test_step(self, batch: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Loss and compiled metrics of the watched subnet against `labels`."""
        labels = batch["labels"]
        logits, _ = self.supernet(batch["log_mel"], self._watched, self._statistics)
        loss = self.task.loss(logits, labels, self.config.class_weights or None)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(labels)[0])
        return self.compute_metrics(None, labels, self.task.scores(logits))

    def predict_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """Scores of the watched subnet for `log_mel`, or for clips given by themselves."""
        clips, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        return self(clips["log_mel"] if isinstance(clips, dict) else clips)

    def step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """One update.

        Args:
            batch: `log_mel` float [clips, frames, mel bins]; the target, float32 [clips, classes]
                in [0, 1]; and `step`, int64 scalar, by default the optimiser's count, which
                passes over steps that loss scaling leaves out.

        Returns:
            The loss: scalar, the sum over the subnets of the task's mean over this replica's
            clips.
        """
        step = batch.get("step", self.optimizer.iterations)
        seed = tf.stack([self.config.seed, tf.cast(step, tf.int32)])
        # One stream of draws for the subnets, others for augmentation and dropout.
        seeds = [tf.random.experimental.stateless_fold_in(seed, n) for n in range(_STREAMS)]
        subnets = self.sampler(seeds[0])
        inputs = self.inputs(batch, seeds)
        config = self.loss_config(inputs)

        def compute(inputs: StepInputs, subnets: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            return self.gradients(self.supernet, inputs, subnets, config)

        if self.config.jit_compile:
            compute = tf.function(compute, jit_compile=True, autograph=False)
        loss, gradients = compute(inputs, subnets)
        self._apply(gradients)
        return loss

    def inputs(self, batch: dict[str, tf.Tensor], seeds: list[tf.Tensor]) -> StepInputs:
        """What the subnets of a step learn from, augmented.

        Args:
            batch: as for `step`.
            seeds: stateless int32 [2] each, of which the first is not used.
        """
        log_mel = batch["log_mel"]
        clips = tf.shape(log_mel)[0]
        positions = _global_positions(clips)
        if self.config.time_roll:
            log_mel = time_roll(log_mel, positions, seeds[3])
        if self.config.gain_db:
            log_mel = random_gain(
                log_mel, positions, seeds[4], self.config.gain_db, self.config.floor_db
            )
        draws = self._draws(clips, seeds[1], seeds[2])
        return StepInputs(log_mel, self._targets(batch, log_mel, draws.mixup), draws)

    def _draws(self, clips: tf.Tensor, augment_seed: tf.Tensor, dropout_seed: tf.Tensor) -> Draws:
        network, config = self.supernet.network, self.config
        mask_seed, mixup_seed = tf.unstack(tf.random.experimental.stateless_split(augment_seed, 2))
        mixed = _global_positions(clips // 2 if config.mixup else clips)
        return Draws(
            spec_augment_mask(
                _global_positions(clips),
                network.frames,
                network.mel_bins,
                mask_seed,
                config.spec_augment,
            ),
            mixup_lambda(mixed, mixup_seed, config.mixup_alpha) if config.mixup else None,
            dropout_masks(mixed, self.supernet.dropout_sites, dropout_seed),
        )

    def _targets(
        self, batch: dict[str, tf.Tensor], log_mel: tf.Tensor, weights: tf.Tensor | None
    ) -> tf.Tensor:
        def mixed(values: tf.Tensor) -> tf.Tensor:
            return values if weights is None else mix_pairs(values, weights)

        if self.config.target in ("labels", "largest"):
            return mixed(batch["labels"])
        soft = (
            mixed(batch["soft_labels"])
            if self.teacher is None
            else tf.stop_gradient(self.teacher(mixed(log_mel)))
        )
        weight = self.config.label_weight
        # Losses are linear in their targets: a weighted target is a weighted sum of two losses.
        return (1 - weight) * soft + weight * mixed(batch["labels"]) if weight else soft

    def loss_config(self, inputs: StepInputs) -> LossConfig:
        """How the losses of a step are made."""
        loss = partial(self.task.loss, class_weights=self.config.class_weights or None)
        return LossConfig(loss, self._follow(inputs), self._scale)

    def _follow(self, inputs: StepInputs) -> Callable[[tf.Tensor], tf.Tensor] | None:
        if self.config.target != "largest":
            return None
        weight = self.config.label_weight
        return lambda logits: (
            (1 - weight) * self.task.scores(logits) + weight * tf.cast(inputs.targets, logits.dtype)
        )

    def _scale(self, loss: tf.Tensor) -> tf.Tensor:
        """The optimiser sums over replicas; their mean is meant. Float16 scales besides."""
        return self.optimizer.scale_loss(loss / replica_count())

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        variables = self.supernet.stem_variables + self.supernet.branch_variables
        replicas = replica_count()
        if replicas > 1 and isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It looks for overflow before it reduces, and replicas must find the same.
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        self.optimizer.apply(gradients, variables)


def _global_positions(count: tf.Tensor) -> tf.Tensor:
    """int32 [count]: where this replica's clips, or pairs of them, stand in the global batch."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return replica * count + tf.range(count)
