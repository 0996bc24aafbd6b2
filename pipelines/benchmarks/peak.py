"""Peak memory of a piece of work in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"
_KIB_PER_MIB = 1024
_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 1 << 20


def peak_mib(
    prepare: Callable[..., Callable[[], None]], *arguments: Any, freed_at_once: bool = False
) -> float:
    """Peak resident memory of a work in MiB, beyond what stands when it is prepared.

    Args:
        prepare: a module's function that builds what the work needs and returns it.
        *arguments: of `prepare`.
        freed_at_once: whether freed tensors go back to the system, as glibc does not always do.

    Raises:
        OSError: this system does not tell a process's peak (Linux does).
    """
    # Spawned, not forked: a fork would begin with what this process holds.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_mib, prepare, arguments, freed_at_once).result()


def _peak_mib(
    prepare: Callable[..., Callable[[], None]], arguments: tuple[Any, ...], freed_at_once: bool
) -> float:
    if freed_at_once:
        # Blocks of a fixed size and above then come from the system, and go back to it.
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
    run = prepare(*arguments)
    gc.collect()
    _CLEAR.write_text(_CLEAR_PEAK)  # forgets the peak of building
    built_mib = _read_mib("VmRSS")
    run()
    return _read_mib("VmHWM") - built_mib


def _read_mib(name: str) -> float:
    found = re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} does not tell {name}: memory is measured on Linux only")
    return int(found.group(1)) / _KIB_PER_MIB
