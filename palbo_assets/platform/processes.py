"""What a child process owes to its parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this child with its parent: an orphan would go on computing (and writing) alone.

    Not for steps that run in the run worker itself: its parent is the code server, whose end must not end the run
    (nobody would notice that the run is dead).
    """
    if multiprocessing.parent_process() is None:
        return
    # Where there is no prctl (not Linux) the fencing token alone keeps an orphan from publishing.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
