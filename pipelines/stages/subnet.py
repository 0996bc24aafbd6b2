"""Stage `subnet`: one subnet trained alone, the paper's baselines and fine-tuning (3.2, 4.3)."""

from __future__ import annotations

from typing import Any

from absl import flags

from aec_ofa_tf.costs.costs import costs
from aec_ofa_tf.models.materialise import copy_subnet, materialise
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.sampler import constant_sampler
from pipelines.experiment import Experiment
from pipelines.stages.fit import Phase, Teaching, common_settings, fit, new_network, step_config
from pipelines.stages.models import save_model
from pipelines.stages.soft_labels import soft_labels_path
from tfrecords.clip import EVALUATION, VALIDATION

FLAGS = flags.FLAGS


def run_subnet(experiment: Experiment) -> dict[str, Any]:
    """Trains `--subnet` towards `--objective` from `--init` and saves it as `.keras`."""
    if not FLAGS.subnet:
        raise ValueError("--stages=subnet needs --subnet, for example --subnet=0.4")
    spec = experiment.space.parse_subnet(FLAGS.subnet)
    distill = FLAGS.objective == "distill"
    if distill:
        experiment.workdir.require_stage("soft_labels")
    name = f"subnet-{spec}-{FLAGS.objective}-{FLAGS.init}-{FLAGS.steps}"
    settings = {**common_settings(experiment), "label_weight": FLAGS.label_weight}
    config = step_config("soft_labels" if distill else "labels", mixup=False)
    done = experiment.workdir.stage_result(name, settings, experiment.has_begun(name))
    if done:
        return done
    network = _initial(experiment, spec)
    validation = fit(
        experiment,
        name,
        network,
        [Phase(constant_sampler(spec), FLAGS.steps)],
        config,
        {"subnet": spec},
        Teaching(soft_labels_path(experiment) if distill else None),
    )
    if not experiment.devices.chief:
        return {}
    evaluator = experiment.evaluator(network)
    path = experiment.workdir.path / "subnets" / f"{name}.keras"
    save_model(materialise(network, spec, evaluator.recalibrate(spec)), path)
    split = EVALUATION if experiment.records.clips(EVALUATION) else VALIDATION
    metrics = evaluator.evaluate(spec, experiment.split(split))
    result = {"subnet": str(spec), **costs(spec, experiment.network), **validation}
    result = {**result, "split": split, "mAP": metrics.mAP, "file": str(path)}
    experiment.workdir.finish_stage(name, result)
    return result


def _initial(experiment: Experiment, spec: Subnet) -> Supernet:
    network = new_network(experiment, [spec], experiment.network)
    if FLAGS.init == "supernet":
        trained = copy_subnet(experiment.load_supernet(), spec)
        with experiment.devices.strategy.scope():
            for mine, theirs in zip(network.weights, trained.weights, strict=True):
                mine.assign(theirs)
    return network
