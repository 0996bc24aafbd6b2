"""What other programs take of the machine meanwhile. No TensorFlow here."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_TIMES = Path("/proc/stat")
# user, nice, system, idle, iowait, irq, softirq, steal; what follows is in them already.
_TIMES = 8
_IDLE = slice(3, 5)


class OtherLoad:
    """What other programs and other virtual machines take of the cores from now on."""

    def __init__(self) -> None:
        self._began = self._read()

    def share(self) -> float:
        """Their part of all cores' time since the beginning, in [0, 1].

        Child processes count as ours once they have ended.
        """
        busy, own, total = (now - then for now, then in zip(self._read(), self._began, strict=True))
        return max(0.0, busy - own) / total if total else 0.0

    def _read(self) -> tuple[float, float, float]:
        """Seconds of all cores that were busy, that we were, and that there were; 0 if unknown."""
        if not _CPU_TIMES.exists():
            return 0.0, 0.0, 0.0
        ticks = [int(field) for field in _CPU_TIMES.read_text().split()[1 : _TIMES + 1]]
        per_second = os.sysconf("SC_CLK_TCK")
        total = sum(ticks)
        busy = total - sum(ticks[_IDLE])
        return busy / per_second, sum(os.times()[:4]), total / per_second
