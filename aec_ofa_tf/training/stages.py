"""The training stages: teacher, soft labels, supernet, and a single subnet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from aec_ofa_tf.classes import ClassCounts, check_ranked
from aec_ofa_tf.costs.costs import params, subnet_costs
from aec_ofa_tf.dataset import EVALUATION, VALIDATION
from aec_ofa_tf.models.keras_files import load_model, model_fingerprint, save_model
from aec_ofa_tf.models.materialise import copy_subnet, materialise
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tasks import check_task
from aec_ofa_tf.training.background import noises_fingerprint
from aec_ofa_tf.training.config import TeacherConfig, resume_key
from aec_ofa_tf.training.devices import peers_watched
from aec_ofa_tf.training.distillation import TARGETS, frozen_largest, source_of
from aec_ofa_tf.training.fit import (
    DistillationSource,
    Phase,
    Plan,
    crop_frames,
    fit,
    new_network,
    step_config,
)
from aec_ofa_tf.training.origins import SoftLabelsConfig, TransferConfig
from aec_ofa_tf.training.results import (
    SoftLabelsResult,
    SubnetResult,
    SupernetResult,
    TeacherResult,
)
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.sampler import (
    Sampler,
    constant_sampler,
    sandwich_sampler,
    subtree_sampler,
    uniform_sampler,
)
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.student_config import SUBTREE, SubnetConfig, SupernetConfig
from aec_ofa_tf.training.subtree import plan_subtree, subtree_gradients
from aec_ofa_tf.training.teachers import open_teacher
from aec_ofa_tf.training.trainer import Teacher
from aec_ofa_tf.training.windowed import whole_of

_DRAWN = 4096
"""The greatest number of distinct subnets that meet a `sample_budget` and are trained."""
TEACHER, SOFT_LABELS, SUPERNET = "teacher", "soft_labels", "supernet"


def train_teacher(run: Run, config: TeacherConfig) -> TeacherResult:
    """Trains the teacher on the labels, recalibrates it and saves it as `teacher.keras`.

    Raises:
        ValueError: the stage was begun with other settings, the batch cannot be divided equally
            among the replicas, or the validation split cannot be scored.
    """
    train = config.train
    _check_scored(run, [VALIDATION])
    done = run.begin(TEACHER, _settings(run, config), config)
    if done:
        return TeacherResult(**done.result or {})
    subnet, network = config.subnet, config.network(run.network)
    teacher = new_network(run, [subnet], network, train)
    phases = [Phase(constant_sampler(subnet), config.steps)]
    step = step_config(run, train, "labels", mixup=True, label_weight=0.0)
    with peers_watched(run.devices):
        plan = Plan(TEACHER, phases, step, {TEACHER: subnet}, config=config)
        validation = fit(run, teacher, plan, train)
    if run.devices.chief:
        sizes = Sizes.of(train)
        statistics = run.evaluator(teacher, sizes).recalibrate(subnet)
        model = materialise(teacher, subnet, statistics, run.task.activation)
        save_model(model, run.teacher_path)
    result = TeacherResult(str(subnet), params(subnet, network), run.task.figure, validation)
    return TeacherResult(**run.finish(TEACHER, asdict(result)))


def write_soft_labels(run: Run, config: SoftLabelsConfig = SoftLabelsConfig()) -> SoftLabelsResult:
    """Stores a teacher's scores of the clean training clips; complete shards are not repeated.

    Raises:
        ValueError: the teacher is not trained or does not fit the records, or the stored soft
            labels are of another teacher.
        OSError: the teacher's file cannot be read.
    """
    teacher = open_teacher(run, config)
    run.workdir.begin_stage(SOFT_LABELS, {"teacher": teacher.fingerprint}, begun=True)
    heard = whole_of(run.records) if teacher.is_of_whole else run.records
    clips = heard.write_soft_labels(
        teacher.score,
        run.soft_labels_path,
        teacher.fingerprint,
        teacher.batch_size,
        [teacher.feature] if teacher.feature else [],
    )
    result = SoftLabelsResult(teacher.fingerprint, clips)
    run.workdir.finish_stage(SOFT_LABELS, asdict(result))
    return result


def train_supernet(run: Run, config: SupernetConfig) -> SupernetResult:
    """Trains the supernet.

    Raises:
        ValueError: an earlier stage is missing, this stage was begun with other settings, the
            supernet starts from a teacher with other widths, or the validation split cannot be
            scored.
    """
    train = config.train
    _check_scored(run, [VALIDATION])
    frames = crop_frames(run, train) or run.network.frames
    source, teacher = source_of(run, config, frames)
    settings = {**_settings(run, config), "teacher": teacher}
    pretrained = _pretrained(config.transfer)
    if pretrained is not None:
        settings["pretrained"] = model_fingerprint(pretrained)
    done = run.begin(SUPERNET, settings, config)
    if done:
        return SupernetResult(**done.result or {})
    if config.init == "teacher":
        config.check_teacher(run.trained_teacher(), run.space)
    supernet = new_network(run, run.space, run.network, train)
    if config.init == "teacher":
        _copy_teacher(run, supernet)
    kept = None
    if pretrained is not None:
        statistics = run.network.start_from(supernet, pretrained)
        kept = statistics if config.largest_statistics == "pretrained" else None
    step = _students_step(run, config)
    first = last = None
    if config.distill_from == "frozen_largest":
        mixup = config.student_mixup and config.largest_mixup
        first = step_config(run, train, "labels", mixup, 0.0)
        last = partial(frozen_largest, run, supernet, config, frames, kept)
    phases = [
        Phase(constant_sampler(run.space.largest), config.largest_steps, first, statistics=kept),
        _second_phase(run, config, last),
    ]
    with peers_watched(run.devices):
        transfer = None if pretrained is None else config.transfer
        watched = run.space.landmarks
        plan = Plan(SUPERNET, phases, step, watched, source, transfer, config)
        validation = fit(run, supernet, plan, train)
    result = SupernetResult(run.space.size, run.task.figure, validation)
    return SupernetResult(**run.finish(SUPERNET, asdict(result)))


def train_subnet(run: Run, subnet: Subnet, config: SubnetConfig) -> SubnetResult:
    """Trains one subnet alone and saves it as `.keras`.

    Raises:
        ValueError: an earlier stage is missing, this stage was begun with other settings or from
            other networks, or a split cannot be scored.
    """
    train, distill = config.train, config.objective == "distill"
    _check_scored(run, [VALIDATION, EVALUATION])
    name = subnet_stage(subnet, config)
    supernet = run.load_supernet() if config.init == "supernet" else None
    pretrained = _pretrained(config.transfer)
    frames = crop_frames(run, train) or run.network.frames
    source, teacher = source_of(run, config, frames) if distill else (DistillationSource(), None)
    origins = _origins({"supernet": supernet, "pretrained": pretrained}, teacher)
    done = run.begin(name, {**_settings(run, config), **origins}, config)
    if done:
        return SubnetResult(**done.result or {})
    network = new_network(run, [subnet], run.network, train)
    if pretrained is not None:
        supernet = Supernet(run.space, run.network)
        run.network.start_from(supernet, pretrained)
    if supernet is not None:
        _copy_weights(run, copy_subnet(supernet, subnet), network)
    labels = step_config(run, train, "labels", config.student_mixup, 0.0)
    step = _students_step(run, config) if distill else labels
    phases = [Phase(constant_sampler(subnet), config.steps)]
    with peers_watched(run.devices):
        transfer = None if pretrained is None else config.transfer
        plan = Plan(name, phases, step, {"subnet": subnet}, source, transfer, config)
        validation = fit(run, network, plan, train)
    result: dict[str, Any] = {}
    if run.devices.chief:
        result = asdict(_finished_subnet(run, name, network, validation, config))
    return SubnetResult(**run.finish(name, result))


def subnet_stage(subnet: Subnet, config: SubnetConfig) -> str:
    """Name of the stage that trains a subnet alone."""
    return f"subnet-{subnet}-{config.objective}-{config.init}-{config.steps}"


def _finished_subnet(
    run: Run,
    name: str,
    network: Supernet,
    validation: Mapping[str, float],
    config: SubnetConfig,
) -> SubnetResult:
    """Saves the subnet and scores it."""
    (subnet,) = network.subnets
    evaluator = run.evaluator(network, Sizes.of(config.train))
    path = run.workdir.path / "subnets" / f"{name}.keras"
    statistics = evaluator.recalibrate(subnet)
    save_model(materialise(network, subnet, statistics, run.task.activation), path)
    splits = [split for split in (EVALUATION, VALIDATION) if run.records.clips(split)]
    metrics: dict[str, Any] = {}
    if splits:
        batches = run.batches(splits[0], config.train.batch_size)
        scores = run.clip_scores(evaluator.scores(subnet, statistics, batches))
        metrics = run.task.metrics(scores, run.clip_labels(batches)).as_dict()
    return SubnetResult(
        subnet=str(subnet),
        costs=subnet_costs(subnet, run.network, front_end=run.records.front_end),
        figure=run.task.figure,
        validation=validation,
        split=splits[0] if splits else "",
        metrics=metrics,
        file=str(path),
    )


def _check_scored(run: Run, splits: Sequence[str]) -> None:
    """Checks that networks can be scored on splits, so that no stage fails after training."""
    check_task(run.network.task, run.records.single_label)
    check_ranked(ClassCounts.of(run.records), run.network.task, splits)


def _settings(run: Run, config: Any) -> dict[str, Any]:
    noise_source = config.train.noise_source
    noises = {} if noise_source is None else {"noises": noises_fingerprint(noise_source)}
    return {"records": run.records.fingerprint, **noises, **resume_key(config)}


def _students_step(run: Run, config: SupernetConfig | SubnetConfig) -> StepConfig:
    """A train step of networks that learn from a teacher."""
    return step_config(
        run,
        config.train,
        TARGETS[config.distill_from],
        config.student_mixup,
        config.label_weight,
        config.feature_weight,
        config.map_weight,
    )


def _origins(starts: Mapping[str, keras.Model | None], teacher: str | None) -> dict[str, Any]:
    """Fingerprints of the trained networks that a subnet starts from and learns from."""
    origins = {
        name: model_fingerprint(start) for name, start in starts.items() if start is not None
    }
    return {**origins, "teacher": teacher} if teacher else origins


def _pretrained(transfer: TransferConfig) -> keras.Model | None:
    return load_model(Path(transfer.pretrained)) if transfer.pretrained else None


def _second_phase(
    run: Run, config: SupernetConfig, teacher: Callable[[int], Teacher] | None
) -> Phase:
    """The phase that trains K subnets a step."""
    if config.sampler != SUBTREE:
        return Phase(_sampler(run, config), config.last_step, teacher=teacher)
    tree = plan_subtree(run.space, run.network, config.subnets_per_step)
    sampler = subtree_sampler(run.space, tree.trunks, tree.tails, tree.stages)
    return Phase(sampler, config.last_step, teacher=teacher, gradients=subtree_gradients(tree))


def _sampler(run: Run, config: SupernetConfig) -> Sampler:
    space, count = run.space, config.subnets_per_step
    if config.sampler == "largest":
        return constant_sampler(space.largest)
    members = config.sampled(space, run.network, run.records.front_end)
    drawn = space if members is None else members.sample(_DRAWN, config.train.seed)
    if config.sampler == "sandwich":
        return sandwich_sampler(space, count, drawn)
    return uniform_sampler(drawn, count)


def _copy_teacher(run: Run, supernet: Supernet) -> None:
    """Copies the weights of the teacher, which has the widths of the largest subnet."""
    config = run.trained_teacher()
    teacher = Supernet([config.subnet], config.network(run.network))
    run.restore(TEACHER, teacher, config.steps)
    _copy_weights(run, teacher, supernet)


def _copy_weights(run: Run, source: Supernet, target: Supernet) -> None:
    with run.devices.strategy.scope():
        for new, old in zip(target.weights, source.weights, strict=True):
            new.assign(old)
