"""What this process may take of the machine: cores and memory, in a container less than all."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from pathlib import Path

from augcon.errors import MissingExtraError

__all__ = ["free_memory", "usable_cores"]

GROUP = Path("/sys/fs/cgroup")  # of this process's container, in version 2 of control groups


def usable_cores() -> int:
    """The cores that this process may use, at least one."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # no such container, or no quota ("max")
        quota, period = (GROUP / "cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def free_memory() -> int:
    """Bytes that this process may still take."""
    try:
        import psutil
    except ImportError as error:
        raise MissingExtraError("a model on this machine", "local") from error
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no such container, or no limit ("max")
        limit = int((GROUP / "memory.max").read_text())
        used = int((GROUP / "memory.current").read_text())
        held = re.search(
            r"^inactive_file (\d+)$", (GROUP / "memory.stat").read_text(), re.MULTILINE
        )
        free = min(free, limit - used + (int(held[1]) if held else 0))
    return free
