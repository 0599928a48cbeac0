"""Peak memory of a block of code."""

import ctypes
import os
import threading
from pathlib import Path

_STATM = Path("/proc/self/statm")


class PeakMemory:
    """Context manager that watches the process's resident memory.

    Attributes
    ----------
    mebibytes : float
        Growth of the resident memory from the start of the block to its peak; NaN
        where the system does not tell (no ``/proc``).
    """

    def __init__(self, interval: float = 0.005):
        self.interval = interval
        self.mebibytes = float("nan")

    def __enter__(self):
        if _STATM.exists():
            _return_freed_memory()
            self._start = self._peak = _resident()
            self._done = threading.Event()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception):
        if _STATM.exists():
            self._done.set()
            self._thread.join()
            self._peak = max(self._peak, _resident())
            self.mebibytes = (self._peak - self._start) / 2**20

    def _watch(self):
        while not self._done.wait(self.interval):
            self._peak = max(self._peak, _resident())


def _resident():
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _return_freed_memory():
    """Have glibc give back what it keeps, so that old peaks do not hide new ones."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
