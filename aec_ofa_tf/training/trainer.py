"""The train step of supernets, teachers and single subnets alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import tensorflow as tf

from aec_ofa_tf.audio.augment import mix_pairs, mix_power, mixup_lambda, spec_augment_mask
from aec_ofa_tf.config import require_type
from aec_ofa_tf.layers.batch_norm import replica_count
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import MASKS
from aec_ofa_tf.models.checks import as_member
from aec_ofa_tf.models.draws import Draws, dropout_masks
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.augmentation import augmented, own_part
from aec_ofa_tf.training.gradients import Gradients, LossConfig, StepInputs, shared_gradients
from aec_ofa_tf.training.keras_methods import KerasMethods, as_batch, entry
from aec_ofa_tf.training.learnt import TeacherOutput, learnt_of
from aec_ofa_tf.training.sampler import Sampler, check_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.step_details import StepDetails, gradient_norm

_SOFT_LABELS = "the target 'soft_labels' (see StepConfig.target)"

Teacher = Callable[[tf.Tensor], "tf.Tensor | TeacherOutput"]
"""From log-mel [clips, frames, mel bins] to scores [clips, classes], or to a `TeacherOutput`."""


class Trainer(KerasMethods):
    """Trains a supernet with K sampled subnets per step (paper equation 2).

    It works with `fit`, whose batches are dicts as for `step`, or pairs of log-mel and labels; in a
    custom loop; and on every replica of a `tf.distribute` strategy, where each replica gets an
    equal, contiguous part of the global batch. A step depends only on weights, optimiser, batch,
    seed and step number. The loss is the task's.

    A trainer cannot be saved whole: save the network (`trainer.supernet.save("s.keras")`) or the
    weights (`save_weights`, or `ModelCheckpoint` with `save_weights_only=True`).

    Keras' `evaluate`, `predict` and compiled metrics use one subnet, by default the largest;
    `watch` selects another. Its batch norms use the moments of the batch, unless `watch` is given
    statistics: reported figures should use those of `SubnetEvaluator.recalibrate`.

    Example:
        >>> sampler = ofa.uniform_sampler(space, 2)
        >>> trainer = ofa.Trainer(supernet, sampler, ofa.StepConfig("labels"))
        >>> trainer.compile(optimizer="adam", metrics=[keras.metrics.AUC(multi_label=True)])
        >>> history = trainer.fit(batches, validation_data=batches, shuffle=False, verbose=0)

    Args:
        supernet: the network to train.
        sampler: samples the subnets of a step.
        config: targets and augmentation.
        teacher: from log-mel, float32 [clips, frames, mel bins], to scores [clips, classes], or to
            a `TeacherOutput`, for `feature_weight` and `map_weight`; for the target "teacher".
        gradients: computes loss and gradients of the K subnets.
        statistics: batch-norm moments of all train steps; by default those of their clips.

    Raises:
        TypeError: an argument is of another class.
        ValueError: XLA is wanted and the supernet is not executed by masks, the target is a
            teacher and there is none, there are not as many class weights as classes, crops are
            shorter than the network needs, or the sampler does not fit the supernet or the target.
    """

    def __init__(
        self,
        supernet: Supernet,
        sampler: Sampler,
        config: StepConfig,
        teacher: Teacher | None = None,
        gradients: Gradients = shared_gradients,
        statistics: Statistics | None = None,
    ) -> None:
        require_type("supernet", supernet, Supernet, "a Supernet")
        require_type("config", config, StepConfig, "a StepConfig, such as StepConfig('labels')")
        largest_first = config.target == "largest"
        check_sampler(sampler, supernet.space, supernet.sizes, largest_first)
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
        self.kept = statistics
        self.gradients = gradients
        self.frames = config.crop_frames or supernet.network.frames
        replace(supernet.network, frames=self.frames)  # raises if the network needs more
        self.watch(supernet.space.largest)
        self.built = True

    def compile(self, *args: object, **kwargs: object) -> None:
        """As `keras.Model.compile`; metrics are built for scores and labels [clips, classes].

        Raises:
            ValueError: a loss or weighted metrics are given: the loss is the task's.
        """
        super().compile(*args, **kwargs)
        if self._compile_metrics is not None:
            # Training steps do not update metrics, but Keras asks for their results: some have
            # none before they have seen a batch.
            zeros = tf.zeros([1, self.supernet.network.classes])
            self._compile_metrics.update_state(zeros, zeros)
            self._compile_metrics.reset_state()

    def __repr__(self) -> str:
        return f"Trainer({self.supernet!r})"

    def watch(self, subnet: Subnet | str, statistics: Statistics | None = None) -> None:
        """Selects the subnet for `evaluate`, `predict` and the validation of `fit`.

        Args:
            subnet: the subnet, or its text.
            statistics: its recalibrated batch-norm moments; by default those of each batch.

        Raises:
            ValueError: the subnet is not in the supernet's space.
        """
        self._watched = as_member(self.supernet.space, subnet)
        self._statistics = statistics
        self.test_function = self.predict_function = None  # traced for the old subnet

    def call(self, log_mel: tf.Tensor) -> tf.Tensor:
        """Scores of the watched subnet, float32 [clips, classes]."""
        logits, _ = self.supernet(log_mel, self._watched, self._statistics)
        return self.task.scores(logits)

    def train_step(self, batch: object) -> dict[str, tf.Tensor]:
        """One `step` for `fit`; `loss` is the mean over the epoch so far."""
        self._loss_tracker.update_state(self.step(batch))
        return {"loss": self._loss_tracker.result()}

    def test_step(self, batch: object) -> dict[str, tf.Tensor]:
        """Loss and compiled metrics of the watched subnet against `labels`."""
        batch = as_batch(batch, self.supernet.network)
        labels = entry(batch, "labels", "evaluation")
        logits, _ = self.supernet(batch["log_mel"], self._watched, self._statistics)
        loss = self.task.loss(logits, labels, self.config.class_weights or None)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(labels)[0])
        return self.compute_metrics(None, labels, self.task.scores(logits))

    def predict_step(self, batch: object) -> tf.Tensor:
        """Scores of the watched subnet; `batch` is a dict with `log_mel`, or log-mel itself."""
        return self(as_batch(batch, self.supernet.network)["log_mel"])

    def step(self, batch: object) -> tf.Tensor:
        """Updates the weights once; `detailed_step` does the same and tells more.

        Args:
            batch: log-mel and labels, or a dict: `log_mel`, float [clips, frames, mel bins] in dB;
                `labels` or `soft_labels`, as the target needs, float32 [clips, classes] in [0, 1];
                and `step`, int64 scalar, by default the optimiser's count, which excludes steps
                that loss scaling skips.

        Returns:
            The loss, a scalar: the sum over the subnets of the task's mean loss over this
            replica's clips.

        Raises:
            ValueError: an entry is missing or has another shape, or clips have weights.
        """
        return self.detailed_step(batch).loss

    def detailed_step(self, batch: object) -> StepDetails:
        """As `step`; returns more."""
        batch = as_batch(batch, self.supernet.network, any_frames=self.config.crop_frames > 0)
        seeds = self.seeds(batch.get("step", self.optimizer.iterations))
        subnets = self.sampler(seeds[0])
        inputs = self.inputs(batch, seeds)
        config = self.loss_config(inputs)

        def compute(inputs: StepInputs, subnets: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            return self.gradients(self.supernet, inputs, subnets, config)

        if self.config.jit_compile:
            compute = tf.function(compute, jit_compile=True, autograph=False)
        losses, gradients = compute(inputs, subnets)
        norm = gradient_norm(gradients, self._scale(tf.ones([], losses.dtype)))
        self._apply(gradients)
        return StepDetails(losses, subnets, norm)

    def seeds(self, step: int | tf.Tensor) -> list[tf.Tensor]:
        """The stateless seeds of a step, int32 [2] each; the first is of the subnets."""
        seed = tf.stack([self.config.seed, tf.cast(step, tf.int32)])
        # One each for subnets, masks and mixup, dropout, and the ten of `augmented`.
        return [tf.random.experimental.stateless_fold_in(seed, n) for n in range(13)]

    def inputs(self, batch: dict[str, tf.Tensor], seeds: list[tf.Tensor]) -> StepInputs:
        """The augmented inputs and the targets of a step.

        Args:
            batch: as for `step`.
            seeds: stateless seeds, int32 [2] each; the first is not used.
        """
        log_mel, draws, weights = self.augment(batch["log_mel"], seeds)
        taught = self._targets(batch, log_mel, weights)
        return StepInputs(log_mel, taught.scores, draws, taught.features, taught.maps, self.kept)

    def augment(
        self, log_mel: tf.Tensor, seeds: list[tf.Tensor]
    ) -> tuple[tf.Tensor, Draws, tf.Tensor | None]:
        """The augmented clips, what the network does to them, and the weights of mixup, if any.

        Args:
            log_mel: float [clips, frames of a clip, mel bins] in dB.
            seeds: as for `inputs`.
        """
        clips = tf.shape(log_mel)[0]
        log_mel = augmented(log_mel, own_part(clips), self.config, seeds[3:])
        mask_seed, mixup_seed = tf.unstack(tf.random.experimental.stateless_split(seeds[1], 2))
        mixed = own_part(clips // 2 if self.config.mixup else clips)
        alpha = self.config.mixup_alpha
        weights = mixup_lambda(mixed, mixup_seed, alpha) if self.config.mixup else None
        mixes_power = self.config.mixes_power
        if weights is not None and mixes_power:
            log_mel = mix_power(log_mel, weights, self.config.floor_db)
        draws = Draws(
            spec_augment_mask(
                mixed if mixes_power else own_part(clips),
                self.frames,
                self.supernet.network.mel_bins,
                mask_seed,
                self.config.spec_augment,
            ),
            None if mixes_power else weights,
            dropout_masks(mixed, self.supernet.dropout_sites(self.frames), seeds[2]),
        )
        return log_mel, draws, weights

    def _targets(
        self, batch: dict[str, tf.Tensor], log_mel: tf.Tensor, weights: tf.Tensor | None
    ) -> TeacherOutput:
        """Targets, and the teacher's features and maps if they are learnt."""

        def mixed(values: tf.Tensor) -> tf.Tensor:
            return values if weights is None else mix_pairs(values, weights)

        def labels(why: str) -> tf.Tensor:
            known = entry(batch, "labels", why)
            return mixed(self.task.smoothed(known, self.config.label_smoothing))

        if self.config.target in ("labels", "largest"):
            return TeacherOutput(labels(f"the target {self.config.target!r}"))
        if self.teacher is None:
            taught = TeacherOutput(mixed(entry(batch, "soft_labels", _SOFT_LABELS)))
        else:
            output = self.teacher(log_mel if self.config.mixes_power else mixed(log_mel))
            taught = learnt_of(output, self.config, self.supernet.variable_dtype)
        if weight := self.config.label_weight:
            # The loss is linear in its targets: this is the weighted sum of two losses.
            soft = (1 - weight) * taught.scores + weight * labels(f"label_weight={weight}")
            taught = taught._replace(scores=soft)
        return taught._replace(scores=tf.stop_gradient(taught.scores))

    def loss_config(self, inputs: StepInputs) -> LossConfig:
        """How the losses of a step are computed."""
        loss = partial(self.task.loss, class_weights=self.config.class_weights or None)
        targets = self._inplace_targets(inputs)
        weights = self.config.feature_weight, self.config.map_weight
        return LossConfig(loss, targets, self._scale, *weights)

    def _inplace_targets(self, inputs: StepInputs) -> Callable[[tf.Tensor], tf.Tensor] | None:
        if self.config.target != "largest":
            return None
        weight = self.config.label_weight
        return lambda logits: (
            (1 - weight) * self.task.scores(logits) + weight * tf.cast(inputs.targets, logits.dtype)
        )

    def _scale(self, loss: tf.Tensor) -> tf.Tensor:
        """Divides by the replicas, over which the optimiser sums; float16 is scaled as well."""
        return self.optimizer.scale_loss(loss / replica_count())

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        variables = self.supernet.stem_variables + self.supernet.branch_variables
        replicas = replica_count()
        if replicas > 1 and isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It checks for overflow before it reduces, but all replicas must agree.
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        self.optimizer.apply(gradients, variables)
