"""State dicts of PyTorch checkpoints as NumPy arrays. PyTorch is imported when one is read."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aec_ofa_tf.files import DAMAGE_ERRORS

_FOREIGN_ERRORS = (
    *DAMAGE_ERRORS,
    AssertionError,
    EOFError,
    ImportError,
    OSError,  # of reading at an offset that the file does not have; it was opened before
    MemoryError,
    RuntimeError,
    pickle.UnpicklingError,
    struct.error,
)
"""What PyTorch's reader raises for a file that PyTorch did not write; a size may be anything."""


class CheckpointError(ValueError):
    """A file is not the checkpoint that is expected; the message names the file and the place."""


class StateDict:
    """The tensors of a checkpoint by name, each taken once.

    Args:
        path: the file, for messages.
        tensors: arrays by name.
    """

    def __init__(self, path: Path, tensors: Mapping[str, np.ndarray]) -> None:
        self.path = path
        self._tensors = tensors
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self._get(name).shape

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A tensor of a known shape, as float32.

        Raises:
            CheckpointError: there is no such tensor, or it has another shape or type.
        """
        array = self._get(name)
        if array.shape != shape or array.dtype.kind != "f":
            raise CheckpointError(
                f"{self.path}: {name} is {array.dtype} {list(array.shape)}, expected "
                f"floating-point {list(shape)}; this is a checkpoint of another network"
            )
        self._taken.add(name)
        return np.asarray(array, np.float32)

    def take_norm(self, place: str, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Scale, shift, mean and variance of a batch norm, in Keras' order.

        Raises:
            CheckpointError: one is missing, or has another shape or type.
        """
        parts = ("weight", "bias", "running_mean", "running_var")
        return [self.take(f"{place}.{part}", shape) for part in parts]

    def check_all_taken(self, ignored: tuple[str, ...] = ()) -> None:
        """Checks that the checkpoint has no tensors but those that were taken.

        Args:
            ignored: endings of the names of tensors that are left out on purpose.

        Raises:
            CheckpointError: it has others; the message names the first.
        """
        rest = [n for n in self._tensors if n not in self._taken and not n.endswith(ignored)]
        if rest:
            raise CheckpointError(
                f"{self.path} has {len(rest)} tensors that this network lacks, {rest[0]} for one; "
                "this is a checkpoint of another network"
            )

    def _get(self, name: str) -> np.ndarray:
        if name not in self._tensors:
            known = ", ".join(list(self._tensors)[:3])
            raise CheckpointError(
                f"{self.path} has no tensor {name}; it has {known} and so on: this is a checkpoint "
                "of another network"
            )
        return self._tensors[name]


def read_state_dict(path: Path) -> StateDict:
    """Reads a checkpoint without running code from it: a state dict, or one under "model".

    Raises:
        CheckpointError: the file is not a PyTorch checkpoint of tensors.
        ImportError: PyTorch is not installed.
        OSError: the file cannot be read.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "reading a PyTorch checkpoint needs PyTorch: pip install '.[torch]'"
        ) from error
    with path.open("rb"):  # a missing file is an OSError with its name
        pass
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except _FOREIGN_ERRORS as error:
        raise CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint of tensors: it is another kind of "
            f"file, cut or damaged, or it holds other Python objects ({type(error).__name__})"
        ) from error
    if isinstance(value, Mapping) and isinstance(value.get("model"), Mapping):
        value = value["model"]
    if not isinstance(value, Mapping) or not value:
        raise CheckpointError(f"{path} holds no tensors by name, but a {type(value).__name__}")
    tensors = {str(name): tensor for name, tensor in value.items() if torch.is_tensor(tensor)}
    if not tensors:
        raise CheckpointError(
            f"{path} holds no tensors, but {', '.join(map(str, list(value)[:3]))}"
        )
    return StateDict(path, {name: tensor.numpy() for name, tensor in tensors.items()})
