"""Time of a step on a subtree of eight subnets, beside steps on independent ones.

python -m pipelines.benchmarks.subtree [SPACE ...]

Steps alternate, and medians are compared; processor seconds hardly depend on other programs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.sampler import Sampler, subtree_sampler, uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.subtree import plan_subtree, subtree_gradients
from aec_ofa_tf.training.trainer import Trainer

SPACES = ("[2,2,X]", "[X,X,X]", "mn04 width=1 expand=0.25,0.5,1 kernel=full")
_BASE_CHANNELS = 16
_CLIPS = 16
_CLASSES = 10
_STEPS = 20
_WARM_UP = 2

Step = Callable[[int], object]


def measure(name: str) -> dict[str, object]:
    """Processor seconds of a step by way, and their ratios to four independent subnets."""
    is_cnn10 = not name.startswith("mn")
    space = search_space(name, _BASE_CHANNELS) if is_cnn10 else search_space(name)
    frames, mel_bins = (400, 64) if is_cnn10 else (250, 128)
    network = space.network(_CLASSES, frames, mel_bins, task="multi_label")
    tree = plan_subtree(space, network, 8)
    shared = subtree_sampler(space, tree.trunks, tree.tails, tree.stages)
    steps = {
        "4 independent": _step(space, network, uniform_sampler(space, 4)),
        "8 as a subtree": _step(space, network, shared, gradients=subtree_gradients(tree)),
        "8 independent": _step(space, network, uniform_sampler(space, 8)),
    }
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for number in range(_WARM_UP + _STEPS):
        for way, step in steps.items():
            start = time.process_time()
            step(number)
            if number >= _WARM_UP:
                taken[way].append(time.process_time() - start)
    secs = {way: float(np.median(values)) for way, values in taken.items()}
    ratios = {way: round(value / secs["4 independent"], 2) for way, value in secs.items()}
    return {"space": name, "cpu_secs": secs, "ratio": ratios}


def _step(space: SearchSpace, network: NetworkConfig, sampler: Sampler, **options: Any) -> Step:
    """A traced step on noise, from its number."""
    keras.utils.set_random_seed(0)
    supernet = Supernet(space, network)
    trainer = Trainer(supernet, sampler, StepConfig("labels"), **options)
    optimizer = keras.optimizers.Adam()
    trainer.compile(optimizer=optimizer, auto_scale_loss=False)
    optimizer.build(supernet.trainable_variables)
    traced = tf.function(trainer.step, autograph=False)
    draw = np.random.default_rng(0)
    shape = _CLIPS, network.frames, network.mel_bins
    batch = {
        "log_mel": tf.constant(draw.normal(-40, 10, shape), tf.float32),
        "labels": tf.constant(draw.integers(0, 2, (_CLIPS, _CLASSES)), tf.float32),
    }
    return lambda number: traced({**batch, "step": tf.constant(number, tf.int64)})


if __name__ == "__main__":
    for space_name in sys.argv[1:] or SPACES:
        print(json.dumps(measure(space_name)), flush=True)
