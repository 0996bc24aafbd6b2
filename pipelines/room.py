"""The room on the disk that all stages of `train` need, compared before the first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.costs.costs import params, tflite_bytes
from aec_ofa_tf.files import disk_of, require_room
from aec_ofa_tf.models.network import NetworkConfig
from pipelines.flags.experiment import TrainFlags

FLAGS = flags.FLAGS

_FLOAT32_BYTES, _FLOAT16_BYTES = 4, 2
_VALUES_PER_WEIGHT = 3
"""A weight and Adam's two moments."""

_CHECKPOINTS = 4
"""Three that are kept, and one in writing."""


def check_room(
    request: TrainFlags,
    classes: int,
    front_end: FrontEndConfig,
    clip_secs: float,
    training_clips: int,
    new_clips: int = 0,
) -> None:
    """Checks that the disk has room for what the requested stages will write at least.

    What lies there from an earlier start counts as written.

    Args:
        request: the stages.
        classes: number of outputs.
        front_end: the front end of the records.
        clip_secs: length of a clip.
        training_clips: clips that get soft labels.
        new_clips: clips that the stage `prepare` writes to records; 0 without it.

    Raises:
        OSError: there is less room.
    """
    sizes = classes, request.heard_frames(front_end, clip_secs), front_end.mel_bins
    network = request.options.network(request.space, *sizes, single_label=False)
    workdir, data_dir = Path(FLAGS.workdir), Path(FLAGS.data_dir)
    needed = sum(parts_left(request, network, training_clips).values())
    if new_clips and FLAGS.payload == "log_mel" and disk_of(data_dir) == disk_of(workdir):
        values = front_end.frames(clip_secs) * front_end.mel_bins
        records = new_clips * values * _FLOAT16_BYTES
        needed += max(records - written_bytes(data_dir), 0)
    stages = [stage for stage in request.stages if stage != "search"]
    require_room(workdir, needed, f"files of the stages {', '.join(stages)}")


def parts_left(request: TrainFlags, network: NetworkConfig, training_clips: int) -> dict[str, int]:
    """Bytes that the requested stages will write at least, by their place in the run directory."""
    workdir = Path(FLAGS.workdir)
    return {
        name: max(size - written_bytes(workdir / name), 0)
        for name, size in _parts(request, network, training_clips)
    }


def written_bytes(place: Path) -> int:
    """Bytes of a file, or of the files in a folder and its subfolders; 0 if it is not there."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def _parts(
    request: TrainFlags, network: NetworkConfig, training_clips: int
) -> Iterator[tuple[str, int]]:
    """Places in the run directory, with the bytes that a stage writes there at least."""
    if request.teacher:
        size = params(request.teacher.subnet, request.teacher.network(network))
        yield "checkpoints/teacher", _checkpoint_bytes(size)
        yield "teacher.keras", _FLOAT32_BYTES * size
    if "soft_labels" in request.stages:
        yield "soft_labels", _FLOAT32_BYTES * training_clips * network.classes
    if request.supernet:
        yield "checkpoints/supernet", _checkpoint_bytes(params(request.space.largest, network))
    if request.subnet and FLAGS.subnet:
        subnet = request.space.parse_subnet(FLAGS.subnet)
        yield "subnets", _checkpoint_bytes(params(subnet, network))
    if request.search and request.export:
        kinds = itertools.product(request.export.inputs, request.export.quantizations)
        smallest = request.space.smallest
        size = _FLOAT32_BYTES * params(smallest, network)  # model.keras
        size += sum(tflite_bytes(smallest, network, quantization) for _, quantization in kinds)
        yield "export", len(request.search.budgets) * size


def _checkpoint_bytes(weights: int) -> int:
    return _CHECKPOINTS * _VALUES_PER_WEIGHT * _FLOAT32_BYTES * weights
