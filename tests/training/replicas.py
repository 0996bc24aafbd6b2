"""Trains for some steps under a strategy and writes losses and weights; a process of its own.

python -m tests.training.replicas STRATEGY FILE.npz
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.devices import Devices, open_devices
from aec_ofa_tf.training.optimizer import TransferAdamW, averaged
from aec_ofa_tf.training.origins import TransferConfig
from aec_ofa_tf.training.sampler import sandwich_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer
from tests.families.toy import ToyNetwork, ToySpace
from tests.training.steps import NETWORK, SPACE, batch

CLIPS = 8
STEPS = 20
# Float32 is compared where training does not amplify the last bit: Adam's first steps turn a
# gradient that is nothing but rounding into a step of full size. Float64 has bits to spare.
RUNS = {
    "float32": ("float32", "slices", 1e-5),
    "float64": ("float64", "slices", 1e-3),
    "float16": ("mixed_float16", "slices", 1e-4),
    "toy": ("float64", "slices", 1e-3),
    "toy_masks": ("float64", "masks", 1e-3),
}
CONFIG = StepConfig(mixup=True, time_roll=True, gain_db=3.0)


def main(strategy: str, path: str) -> None:
    # TensorFlow's graph optimiser takes longer for two replicas than all steps; it is not tested.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    devices = open_devices(strategy, logical_cpus=2 if strategy == "mirrored" else 1)
    results = {}
    # Two processes share two cores: they run what is asked of them, the rest is for one process.
    left_out = {"none": [], "mirrored": ["float32"], "multiworker": set(RUNS) - {"float32"}}
    names = [name for name in RUNS if name not in left_out[strategy]]
    for name in names:
        dtype, execution, learning_rate = RUNS[name]
        keras.utils.set_random_seed(0)
        with devices.strategy.scope():
            trainer = new_trainer(name, dtype, execution, learning_rate)
        results[f"{name}_losses"] = train(trainer, devices)
        with averaged(trainer.optimizer, trainer.supernet.trainable_variables):
            weight = tf.convert_to_tensor(trainer.supernet.unit_layers[0].conv.kernel)
        results[f"{name}_weight"] = weight.numpy()
    if devices.chief:
        np.savez(path, **results)
    devices.wait_for_all()


def new_trainer(name: str, dtype: str, execution: str, learning_rate: float) -> Trainer:
    toy = name.startswith("toy")  # of several batch norms and a residual connection per unit
    subnets = 3 if name == "toy" else 2  # the third is drawn
    space, network = (ToySpace(), ToyNetwork(5, 40)) if toy else (SPACE, NETWORK)
    supernet = Supernet(space, network, dtype, execution)
    trainer = Trainer(supernet, sandwich_sampler(space, subnets), CONFIG)
    optimizer = new_optimizer(supernet, learning_rate, is_pretrained=toy)
    trainer.compile(optimizer=optimizer, auto_scale_loss=False)
    optimizer.build(supernet.trainable_variables)
    return trainer


def new_optimizer(supernet: Supernet, learning_rate: float, is_pretrained: bool) -> keras.Optimizer:
    if is_pretrained:
        transfer = TransferConfig("mn04.keras", classifier_steps=2, body_warmup_steps=4)
        head = supernet.head_layer.trainable_variables
        averages = {"use_ema": True, "ema_momentum": 0.8}
        return TransferAdamW(learning_rate, 1e-3, True, transfer, head, **averages)
    optimizer = keras.optimizers.Adam(learning_rate)
    is_scaled = supernet.compute_dtype == "float16"
    return keras.optimizers.LossScaleOptimizer(optimizer) if is_scaled else optimizer


def train(trainer: Trainer, devices: Devices) -> np.ndarray:
    strategy = devices.strategy

    @tf.function(autograph=False)
    def step(part: dict[str, tf.Tensor]) -> tf.Tensor:
        losses = strategy.run(trainer.step, args=(part,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return np.array([float(step(distributed(strategy, index))) for index in range(STEPS)])


def distributed(strategy: tf.distribute.Strategy, index: int) -> dict:
    """The step's batch, of which every replica gets an equal, contiguous part."""
    whole = batch(CLIPS, seed=index)

    def part(context: tf.distribute.InputContext) -> dict[str, tf.Tensor]:
        size = CLIPS // context.num_replicas_in_sync
        first = context.replica_id_in_sync_group * size
        return {name: value[first : first + size] for name, value in whole.items()}

    return strategy.experimental_distribute_values_from_function(part)


if __name__ == "__main__":
    main(*sys.argv[1:])
