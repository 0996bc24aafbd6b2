"""What `train` would do, without doing it: stages, subnets, time and disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.costs.costs import macs, params
from aec_ofa_tf.dataset import SPLITS, TRAIN
from aec_ofa_tf.description import Description, lines
from aec_ofa_tf.models.family import experiment_config
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.training.begun import newest_step, require_same_settings
from aec_ofa_tf.training.time_budget import duration
from aec_ofa_tf.workdir import SEARCH, Workdir
from pipelines import room
from pipelines.flags.experiment import TrainFlags
from pipelines.planned_data import PlannedData, planned_data

if TYPE_CHECKING:
    from pipelines.dry_hours import DryHours

FLAGS = flags.FLAGS

_FORWARD = 1 / 3
"""Multiply-adds of a network's scores over those of a training step."""

_TRAINING_CLIPS = 128
_DONE = "done"

_SMALL_BYTES = 50_000
"""Less is not worth a line."""

_REPEATED = ("search", "convert")
"""Stages that look at each start what is left to do."""

_FIRST = {"cache": {"supernet": "soft_labels"}, "online": {"supernet": "teacher"}}
"""The earlier stage that a supernet needs, by the source of its soft labels."""


def plan(request: TrainFlags) -> Description:
    """Describes a run, after the checks that `train` makes; nothing is written for good.

    Args:
        request: the stages and their configurations.

    Raises:
        ValueError: as `train`, before its first stage.
        OSError: a file cannot be read, or the disk has too little room.
    """
    found = planned_data(request)
    heard_secs = request.heard_secs(found.clip_secs)
    frames = request.heard_frames(found.front_end, found.clip_secs)
    sizes = len(found.labels), frames, found.front_end.mel_bins
    network = request.options.network(request.space, *sizes, single_label=found.single_label)
    if (Path(FLAGS.workdir) / "config.json").is_file():  # refuses another experiment
        whole = found.clip_secs if heard_secs < found.clip_secs else None
        shape = found.labels, found.front_end, heard_secs, whole
        Workdir(Path(FLAGS.workdir)).claim(experiment_config(request.space, network, *shape))
    hours = _hours(request, found, network)
    request = request if hours is None else hours.request
    left = _stages_left(request, found)
    if hours is None or hours.secs is None:
        secs = _seconds(request, found, network, {name for name in left if left[name] != _DONE})
    else:
        secs = dict(hours.secs)
    disk = {"records": round(found.clip_bytes * sum(found.clips.values()))}
    for place, size in room.parts_left(request, network, found.clips[TRAIN]).items():
        if left.get(Path(place).stem) != _DONE:
            disk[place] = size
    facts = [
        ("data", _data_text(found)),
        ("space", _space_text(request, network)),
        ("budgets", lines(_budgets(request, network, found.front_end))),
        ("stages", lines(f"{name}: {text}" for name, text in left.items())),
        ("hours", str(hours.plan) if hours else ""),
        ("time", lines(_time_texts(secs, left))),
        ("disk", _disk_text(disk)),
    ]
    shown = tuple((name, text) for name, text in facts if text)
    values = {"stages": left, "seconds": secs, "bytes": disk, "subnets": request.space.size}
    if hours:
        values["steps"] = asdict(hours.plan.steps)
    return Description(FLAGS.workdir, "a dry run; nothing was written", shown, values)


def _data_text(found: PlannedData) -> str:
    counts = ", ".join(f"{found.clips.get(split, 0):,} {split}" for split in SPLITS)
    state = "prepared" if found.prepared else "to prepare"
    return f"{counts} clips of {found.clip_secs:g} s, {len(found.labels)} labels; {state}"


# Space


def _space_text(request: TrainFlags, network: NetworkConfig) -> str:
    space = request.space
    ends = {"smallest": space.smallest, "largest": space.largest}
    texts = [f"{name} {_costs(subnet, network)}" for name, subnet in ends.items()]
    return f"{space}: {space.size:,} subnets; " + "; ".join(texts)


def _costs(subnet: Subnet, network: NetworkConfig) -> str:
    weights, work = params(subnet, network), macs(subnet, network)
    return f"{weights:,} parameters, {work / 1e6:,.1f} M multiply-adds"


def _budgets(
    request: TrainFlags, network: NetworkConfig, features: FrontEndConfig
) -> Iterator[str]:
    """A sentence for every budget; one that no subnet meets was refused before."""
    if request.search is None:
        return
    for budget, members in request.search.members(request.space, network, features).items():
        count = "met" if members.count is None else f"met by {members.count:,} subnets"
        yield f"{budget}: {count}"


# Stages


def _stages_left(request: TrainFlags, found: PlannedData) -> dict[str, str]:
    """What is left to do of every requested stage.

    Raises:
        ValueError: an earlier stage is missing, or was run with other settings.
    """
    workdir = Workdir(Path(FLAGS.workdir), writable=False)
    _check_settings(request, workdir)
    _check_order(request, workdir)
    left = {}
    for stage in request.stages:
        name = _name(stage, request)
        done = found.prepared if stage == "prepare" else workdir.is_done(name)
        if stage in _REPEATED:
            left[stage] = "would run; what is there already is used again"
        elif done:
            left[stage] = _DONE
        else:
            step = _newest_step(name)
            left[stage] = f"would go on from step {step:,}" if step else "would run"
    return left


def _check_settings(request: TrainFlags, workdir: Workdir) -> None:
    for stage, config in (
        ("teacher", request.teacher),
        ("supernet", request.supernet),
        (_name("subnet", request), request.subnet),
    ):
        if config:
            require_same_settings(workdir, stage, config)


def _newest_step(stage: str) -> int:
    return newest_step(Path(FLAGS.workdir), stage)


def _check_order(request: TrainFlags, workdir: Workdir) -> None:
    needed = {"search": "supernet", "convert": "search"}
    if not request.soft_labels.is_foreign:
        needed["soft_labels"] = "teacher"
    if request.supernet:
        needed |= _FIRST.get(request.supernet.distill_from, {})
    for stage, earlier in needed.items():
        is_done = earlier in workdir.stages() if earlier == SEARCH else workdir.is_done(earlier)
        is_there = earlier in request.stages or is_done
        if stage in request.stages and not is_there:
            raise ValueError(f"stage {earlier} is not done in {workdir.path}: run it first")


def _name(stage: str, request: TrainFlags) -> str:
    """The stage's name in the run directory."""
    if stage != "subnet" or not request.subnet:
        return stage
    from aec_ofa_tf.training.stages import subnet_stage

    return subnet_stage(request.space.parse_subnet(FLAGS.subnet), request.subnet)


# Time


def _hours(request: TrainFlags, found: PlannedData, network: NetworkConfig) -> DryHours | None:
    """The division of a time budget; None where steps are counted."""
    if request.hours is None or not {"teacher", "supernet"} & set(request.stages):
        return None
    from pipelines.dry_hours import divided

    workdir = Workdir(Path(FLAGS.workdir), writable=False)
    stages = ("teacher", "supernet")
    begun = any(_newest_step(name) or workdir.is_done(name) for name in stages)
    return divided(request, found, network, begun)


def _seconds(
    request: TrainFlags, found: PlannedData, network: NetworkConfig, todo: set[str]
) -> dict[str, float]:
    """Seconds of the stages that are left, except for search and conversion."""
    from aec_ofa_tf.training.windowed import windows_of

    secs = {}
    if "prepare" in todo:
        secs["prepare"] = found.clip_prepare_secs * sum(found.clips.values())
    if todo & {"teacher", "supernet", "subnet"}:
        secs |= _training_secs(request, found, network, todo)
    if "soft_labels" in todo and request.teacher and "teacher" in secs:
        steps = max(request.teacher.steps - _newest_step("teacher"), 1)
        train = secs["teacher"] / steps / request.teacher.train.batch_size
        scored = windows_of(found.noise({}, request.window_secs)) * found.clips[TRAIN]
        secs["soft_labels"] = _FORWARD * train * scored
    return {stage: round(secs[stage], 1) for stage in request.stages if stage in secs}


def _training_secs(
    request: TrainFlags, found: PlannedData, network: NetworkConfig, todo: set[str]
) -> dict[str, float]:
    """Seconds of the training stages that are left, from a few steps on noise."""
    from aec_ofa_tf.training.devices import open_devices
    from aec_ofa_tf.training.rehearsal import Rehearsal

    few = {TRAIN: _TRAINING_CLIPS}
    noise = found.noise(few, request.window_secs)
    strategy = request.devices.strategy
    # Of a cluster this process is measured alone: the other workers are not there.
    kind = "none" if strategy == "multiworker" else strategy
    devices = open_devices(kind, request.devices.logical_cpus)
    with tempfile.TemporaryDirectory() as place:
        folders = Path(FLAGS.workdir), Path(place)
        rehearsal = Rehearsal(request.space, network, noise, devices, *folders)
        secs = {}
        if request.teacher and "teacher" in todo:
            steps = max(request.teacher.steps - _newest_step("teacher"), 0)
            secs["teacher"] = steps * rehearsal.teacher(request.teacher)
        if request.supernet and "supernet" in todo:
            largest, sampled = rehearsal.supernet(request.supernet)
            begun, steps = _newest_step("supernet"), request.supernet.largest_steps
            secs["supernet"] = (largest or 0.0) * max(steps - begun, 0)
            steps = min(request.supernet.steps, request.supernet.last_step - begun)
            secs["supernet"] += sampled * steps
        if request.subnet and "subnet" in todo:
            subnet = request.space.parse_subnet(FLAGS.subnet)
            steps = max(request.subnet.steps - _newest_step(_name("subnet", request)), 0)
            secs["subnet"] = steps * rehearsal.subnet(subnet, request.subnet)
        return secs


def _time_texts(secs: Mapping[str, float], left: Mapping[str, str]) -> Iterator[str]:
    yield f"about {duration(sum(secs.values()))} of work on this machine as it is now"
    yield from (f"{stage} {duration(seconds)}" for stage, seconds in secs.items())
    others = [stage for stage in left if stage not in secs and left[stage] != _DONE]
    if others:
        yield f"and besides {', '.join(others)}, validation, and up to a minute a stage to begin"


# Disk


def _disk_text(disk: Mapping[str, int]) -> str:
    total = f"at least {_size(sum(disk.values()))}, and some MB for the report and TensorBoard"
    return lines(
        [total, *(f"{name} {_size(count)}" for name, count in disk.items() if count > _SMALL_BYTES)]
    )


def _size(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
