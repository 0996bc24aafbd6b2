"""The train step of supernets, teachers and single subnets alike."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import tensorflow as tf

from aec_ofa_tf.audio.mixup import mix_pairs, mixup_lambda, time_roll
from aec_ofa_tf.audio.spec_augment import SpecAugmentConfig, spec_augment_mask
from aec_ofa_tf.models.draws import Draws, dropout_masks
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.losses import binary_cross_entropy
from aec_ofa_tf.training.sampler import Sampler

TARGETS = ("labels", "soft_labels")


@dataclass(frozen=True)
class StepConfig:
    """What a train step does besides the forward and backward passes.

    Attributes:
        target: the key of the batch that the loss compares with: "labels" or "soft_labels".
        seed: of all draws; with the step's number it determines them.
        mixup: mix neighbouring clips and their targets; a batch of 2B clips gives B.
        mixup_alpha: of the Beta distribution of the mixing weight.
        time_roll: rotate each clip over time.
        label_weight: share of the true label in a soft-label target.
        spec_augment: stripes to blank.

    Raises:
        ValueError: the target is neither, or the weight is outside [0, 1].
    """

    target: str = "soft_labels"
    seed: int = 0
    mixup: bool = False
    mixup_alpha: float = 1.0
    time_roll: bool = False
    label_weight: float = 0.0
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {TARGETS}, received {self.target!r}")
        if not 0 <= self.label_weight <= 1:
            raise ValueError(f"label_weight must lie in [0, 1], received {self.label_weight}")


class Trainer(keras.Model):
    """Trains a supernet by K sampled subnets per step (paper equation 2).

    Works under `fit` and in a loop of one's own. A step is a function of (weights, batch, seed,
    step number) alone. The stem runs once for all subnets; the subnets run one after another,
    each with its own backward pass to the stem's output, where their gradients are summed before
    the one backward pass through the stem. So the memory of a step is that of one subnet.

    Args:
        supernet: the network to train.
        sampler: which subnets a step computes.
        config: augmentation, target and seed.
    """

    def __init__(self, supernet: Supernet, sampler: Sampler, config: StepConfig) -> None:
        super().__init__(name="trainer", dtype=supernet.dtype_policy)
        self.supernet = supernet
        self.sampler = sampler
        self.config = config
        self.built = True

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update.

        Args:
            batch: `log_mel` float [clips, frames, mel bins] and the target, float32
                [clips, classes] in [0, 1].

        Returns:
            `loss`: float32 scalar, the sum over the subnets of the mean over clips and classes.
        """
        log_mel, targets = batch["log_mel"], self._targets(batch)
        # One stream of draws for the subnets, one for augmentation, one for dropout.
        seed = tf.stack([self.config.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        seeds = [tf.random.experimental.stateless_fold_in(seed, stream) for stream in range(4)]
        widths = self.sampler(seeds[0])
        draws = self._draws(tf.shape(log_mel)[0], seeds[1], seeds[2])
        if draws.mixup is not None:
            targets = mix_pairs(targets, draws.mixup)
        if self.config.time_roll:
            log_mel = time_roll(log_mel, seeds[3])
        loss, gradients = self._gradients(log_mel, targets, widths, draws)
        variables = self.supernet.stem_variables + self.supernet.branch_variables
        self.optimizer.apply(gradients, variables)
        return {"loss": loss}

    def _targets(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        # BCE is linear in its target, so a weighted target is a weighted sum of two losses.
        weight = self.config.label_weight
        targets = batch[self.config.target]
        return targets if weight == 0 else (1 - weight) * targets + weight * batch["labels"]

    def _draws(self, clips: tf.Tensor, augment_seed: tf.Tensor, dropout_seed: tf.Tensor) -> Draws:
        network, config = self.supernet.network, self.config
        mask_seed, mixup_seed = tf.unstack(tf.random.experimental.stateless_split(augment_seed, 2))
        mixed = clips // 2 if config.mixup else clips
        return Draws(
            spec_augment_mask(
                (clips, network.frames, network.mel_bins), mask_seed, config.spec_augment
            ),
            mixup_lambda(mixed, mixup_seed, config.mixup_alpha) if config.mixup else None,
            *dropout_masks(mixed, network, self.supernet.block_widths, dropout_seed),
        )

    def _gradients(
        self, log_mel: tf.Tensor, targets: tf.Tensor, widths: tf.Tensor, draws: Draws
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The summed loss and its gradients by stem variables, then branch variables."""
        stem = [variable.value for variable in self.supernet.stem_variables]
        branch = [variable.value for variable in self.supernet.branch_variables]
        with tf.GradientTape() as stem_tape:
            widest = tf.reduce_max(widths[:, 1, 0])
            shared, _ = self.supernet.stem(log_mel, widest, draws)
        losses: list[tf.Tensor] = []
        sums: list[tf.Tensor] = []
        for subnet in tf.unstack(widths):
            # Without an order all subnets' activations could be alive at once.
            with tf.control_dependencies(sums):
                loss, gradients = self._branch_gradients(
                    tf.identity(shared), targets, subnet, draws, branch
                )
                sums = _add(sums, gradients) if sums else gradients
            losses.append(loss)
        stem_gradients = stem_tape.gradient(shared, stem, output_gradients=sums[0])
        return tf.add_n(losses), stem_gradients + sums[1:]

    def _branch_gradients(
        self,
        shared: tf.Tensor,
        targets: tf.Tensor,
        widths: tf.Tensor,
        draws: Draws,
        variables: list[tf.Variable],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """A subnet's loss and its gradients by the stem's output, then by `variables`."""
        with tf.GradientTape() as tape:
            tape.watch(shared)
            logits, _ = self.supernet.branch(shared, widths, draws)
            loss = binary_cross_entropy(logits, targets)
        zero = tf.UnconnectedGradients.ZERO
        return loss, tape.gradient(loss, [shared, *variables], unconnected_gradients=zero)


def _add(sums: list[tf.Tensor], gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    return [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
