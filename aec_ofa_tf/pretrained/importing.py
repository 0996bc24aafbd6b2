"""Imports a published checkpoint into a folder: a Keras model, its labels and its front end."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from aec_ofa_tf.audio.front_end import FrontEndConfig, front_end
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.files import JsonObject, read_json, sha256_of, write_json
from aec_ofa_tf.labels import check_labels
from aec_ofa_tf.models.family import network_from_config, space_from_config, to_config
from aec_ofa_tf.models.keras_files import save_model
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.ownership import RUN, claim
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.pretrained import DESCRIPTION
from aec_ofa_tf.pretrained.efficientat import efficientat_model, efficientat_space
from aec_ofa_tf.pretrained.panns import panns_model, panns_space
from aec_ofa_tf.pretrained.torch_files import StateDict, read_state_dict

MODEL_FILE = "model.keras"
AUDIOSET_CLIP_SECS = 10.0
_TASK = "multi_label"  # both are trained on AudioSet


@dataclass(frozen=True)
class Format:
    """A format of checkpoints.

    Attributes:
        front_end: name of the front end that the networks are trained with.
        space: from a checkpoint to the space whose largest subnet is its network.
        model: from checkpoint, frames, mel bins and task to a plain model and its network.
    """

    front_end: str
    space: Callable[[StateDict], SearchSpace]
    model: Callable[[StateDict, int, int, str], tuple[keras.Model, NetworkConfig]]


FORMATS = {
    "efficientat": Format("efficientat_32k", efficientat_space, efficientat_model),
    "panns": Format("panns_32k", panns_space, panns_model),
}


@dataclass(frozen=True)
class ImportedWeights:
    """A network of a published checkpoint.

    Attributes:
        folder: the folder, with `model.keras`, `labels.txt` and `import.json`.
        space: the search space whose largest subnet is the network.
        network: the static parts of the network.
        labels: the labels of its outputs.
        front_end: the front end that it was trained with.
        clip_secs: length of a clip.
        format: format of the checkpoint.
        checkpoint_sha256: SHA-256 of the checkpoint.
    """

    folder: Path
    space: SearchSpace
    network: NetworkConfig
    labels: tuple[str, ...]
    front_end: FrontEndConfig
    clip_secs: float
    format: str
    checkpoint_sha256: str

    @property
    def model_file(self) -> Path:
        """The Keras model, from log-mel in dB to scores."""
        return self.folder / MODEL_FILE

    @property
    def subnet(self) -> Subnet:
        """The network's shape."""
        return self.space.largest

    @classmethod
    def open(cls, folder: Path) -> ImportedWeights:
        """Opens a folder that `import_weights` has written.

        Raises:
            ValueError: the folder holds no import.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise ValueError(f"{folder} holds no imported weights (no {DESCRIPTION})")
        content = read_json(path)
        return cls(
            folder,
            space_from_config(content["space"]),
            network_from_config(content["network"]),
            tuple(content["labels"]),
            FrontEndConfig(**content["front_end"]),
            content["clip_secs"],
            content["format"],
            content["checkpoint_sha256"],
        )

    def as_dict(self) -> JsonObject:
        """The content of `import.json`."""
        return {
            "format": self.format,
            "checkpoint_sha256": self.checkpoint_sha256,
            "space": to_config(self.space),
            "network": to_config(self.network),
            "front_end": asdict(self.front_end),
            "clip_secs": self.clip_secs,
            "labels": list(self.labels),
        }


def import_weights(
    checkpoint: str | os.PathLike[str],
    workdir: str | os.PathLike[str],
    format: str = "efficientat",
    *,
    clip_secs: float = AUDIOSET_CLIP_SECS,
    mel_bins: int | None = None,
    labels: Sequence[str] | None = None,
) -> ImportedWeights:
    """Imports a PyTorch checkpoint, without running code from it.

    Args:
        checkpoint: the file.
        workdir: a new or empty folder, or one of an earlier import.
        format: "efficientat" for EfficientAT's `mn*_as`, "panns" for PANNs' `Cnn10`.
        clip_secs: length of the clips that the model will get, in seconds.
        mel_bins: mel bins that the checkpoint was trained with; by default those of the format.
        labels: names of the outputs; by default AudioSet's 527.

    Returns:
        The imported network. Its model is the start of a supernet for any labels
        (`SupernetConfig(init="pretrained")`), and a standalone model that `export` converts.

    Raises:
        ConfigError: the format is unknown.
        CheckpointError: the file is damaged, or of another network.
        ValueError: there is not a label per output, or the folder is somebody else's.
        ImportError: PyTorch is not installed.
        OSError: the file cannot be read.

    Example:
        >>> imported = ofa.import_weights("mn04.pt", "mn04")  # doctest: +SKIP
        >>> imported.space.size, len(imported.labels)  # doctest: +SKIP
        (668860416, 527)
    """
    if format not in FORMATS:
        raise ConfigError(f"format is one of {', '.join(FORMATS)}, received {format!r}", "format")
    known, path = FORMATS[format], Path(checkpoint)
    features = front_end(known.front_end, **({"mel_bins": mel_bins} if mel_bins else {}))
    state = read_state_dict(path)
    model, network = known.model(state, features.frames(clip_secs), features.mel_bins, _TASK)
    found = ImportedWeights(
        Path(workdir),
        known.space(state),
        network,
        tuple(labels) if labels else audioset_labels(),
        features,
        clip_secs,
        format,
        sha256_of(path),
    )
    _check_labels(found)
    claim(found.folder, RUN)
    save_model(model, found.model_file)
    (found.folder / "labels.txt").write_text("\n".join(found.labels) + "\n", encoding="utf-8")
    write_json(found.folder / DESCRIPTION, found.as_dict())
    return found


def audioset_labels() -> tuple[str, ...]:
    """AudioSet's 527 labels in the order of the published networks' outputs."""
    file = resources.files("aec_ofa_tf.pretrained") / "audioset_labels.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return tuple(row["display_name"] for row in rows)


def _check_labels(found: ImportedWeights) -> None:
    check_labels(found.labels)
    if len(found.labels) != found.network.classes:
        raise ConfigError(
            f"labels={len(found.labels)} names do not fit a checkpoint of {found.network.classes} "
            "outputs: give a name per output",
            "labels",
        )
