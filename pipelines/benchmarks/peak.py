"""Peak memory of a function in a separate process."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"
_KIB_PER_MIB = 1024
_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 1 << 20


def peak_mib(
    prepare: Callable[..., Callable[[], None]], *arguments: object, freed_at_once: bool = False
) -> float:
    """Peak resident memory of a function in MiB, minus the memory before its call.

    Args:
        prepare: a module-level function that returns the function to measure.
        *arguments: arguments of `prepare`.
        freed_at_once: whether to return freed tensors to the system at once; glibc by default
            keeps some.

    Raises:
        OSError: this system does not report the peak of a process (Linux does).
    """
    # Spawned, not forked: a fork would start with the memory of this process.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_mib, prepare, arguments, freed_at_once).result()


def _peak_mib(
    prepare: Callable[..., Callable[[], None]], arguments: tuple[object, ...], freed_at_once: bool
) -> float:
    if freed_at_once:
        # Blocks of this size and above are then allocated from the system, and returned to it.
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
    run = prepare(*arguments)
    gc.collect()
    _CLEAR.write_text(_CLEAR_PEAK)  # resets the peak that `prepare` caused
    built_mib = _read_mib("VmRSS")
    run()
    return _read_mib("VmHWM") - built_mib


def _read_mib(name: str) -> float:
    found = re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} has no {name}: memory is measured on Linux only")
    return int(found.group(1)) / _KIB_PER_MIB
