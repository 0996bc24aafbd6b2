"""The robustness that was measured of a run's networks, kept in the run directory. No TensorFlow.

A result belongs to the bytes of a file, or to one training of the supernet; results of others are
not read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from absl import logging

from aec_ofa_tf.config import check_fields
from aec_ofa_tf.files import fingerprint, naming_damage, read_json, sha256_of, write_json
from aec_ofa_tf.robustness.results import Robustness
from aec_ofa_tf.workdir import Workdir

FOLDER = "robustness"
_SUPERNET = "supernet"


@dataclass(frozen=True)
class StoredRobustness:
    """A result in a run directory.

    Attributes:
        model: the subnet's text, or the path of a file within the run directory.
        is_file: whether it is a file.
        identity: SHA-256 of the file, or a fingerprint of the supernet's stage.
        result: the figures.
    """

    model: str
    is_file: bool
    identity: str
    result: Robustness

    def __post_init__(self) -> None:
        check_fields(self)


def store_subnet(workdir: Workdir, subnet: str, result: Robustness) -> None:
    """Keeps the robustness of a subnet of the run's supernet."""
    _write(workdir, StoredRobustness(subnet, False, _of_supernet(workdir), result))


def store_file(path: Path, result: Robustness) -> Workdir | None:
    """Keeps the robustness of a file in the run directory that it lies in.

    Returns:
        The run directory; None if the file lies in none, so that nothing is kept.
    """
    path = path.resolve()
    for parent in path.parents:
        if (parent / "config.json").is_file():
            workdir, place = Workdir(parent), path.relative_to(parent).as_posix()
            _write(workdir, StoredRobustness(place, True, sha256_of(path), result))
            return workdir
    return None


def read_stored(workdir: Workdir) -> tuple[StoredRobustness, ...]:
    """The results of files and of a supernet that are still those which were measured.

    Raises:
        ValueError: a result is damaged.
    """
    found = []
    for path in sorted((workdir.path / FOLDER).glob("*.json")):
        with naming_damage(path, "remove it"):
            values = read_json(path)
            values["result"] = Robustness.from_dict(values["result"])
            found.append(StoredRobustness(**values))
    return tuple(one for one in found if _is_current(workdir, one))


def _is_current(workdir: Workdir, stored: StoredRobustness) -> bool:
    if not stored.is_file:
        return workdir.is_done(_SUPERNET) and stored.identity == _of_supernet(workdir)
    path = workdir.path / stored.model
    return path.is_file() and stored.identity == sha256_of(path)


def _of_supernet(workdir: Workdir) -> str:
    record = workdir.require_stage(_SUPERNET)
    return fingerprint({"settings": record.settings, "result": record.result})


def _write(workdir: Workdir, stored: StoredRobustness) -> None:
    name = f"{stored.model.replace('/', '-')}-{stored.result.split}.json"
    try:
        (workdir.path / FOLDER).mkdir(exist_ok=True)
        write_json(workdir.path / FOLDER / name, asdict(stored))
    except OSError as error:  # a run that may only be read is still a run
        logging.warning("the robustness is not kept in %s: %s", workdir.path, error)
