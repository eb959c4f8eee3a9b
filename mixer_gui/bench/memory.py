"""How much memory there is, and the most that a stretch of work took: of this process, or of a GPU."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from mixer_gui.engine.preload import give_back_memory

RESET_PEAK = "5"  # what /proc/self/clear_refs takes for it


class PeakMemory:
    """Begins when it is made. On the CPU it is Linux that counts; elsewhere nobody does."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before: int | None = None
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
        elif device.type == "cpu":
            give_back_memory()
            try:
                Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
            except OSError:
                return
            self._before = _proc_bytes("/proc/self/status", "VmRSS")

    def taken_bytes(self) -> int | None:
        """The most so far, above what was taken at the beginning; None where that is not known."""
        if self._before is None:
            return None
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device)) - self._before
        peak = _proc_bytes("/proc/self/status", "VmHWM")
        return None if peak is None else max(peak - self._before, 0)


def free_bytes(device: torch.device) -> int | None:
    """What a program can still have; None where the system does not say."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # torch keeps what was freed, and the driver counts that as taken
        return int(torch.cuda.mem_get_info(device)[0])
    return _proc_bytes("/proc/meminfo", "MemAvailable") if device.type == "cpu" else None


def _proc_bytes(path: str, name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", Path(path).read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found.group(1)) * 1024
