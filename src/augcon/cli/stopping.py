"""Ctrl-C and SIGTERM: a run stops within two seconds wherever it is, and says how to go on.

Imports nothing heavy, so that it is in force before what is heavy is imported.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import typer

from augcon.cli import INTERRUPTED, STOPPING

__all__ = ["Stopping", "interruptible"]

GRACE_SECONDS = 1.0
SHOW_CURSOR = "\x1b[?25h"


@dataclass(slots=True)
class Stopping:
    """What a signal does: `cancel` gives what stops the work that goes on now, if any does."""

    out: Path
    goes_on: str  # which command does
    cancel: Callable[[], Callable[[], object] | None] = lambda: None
    asked: bool = field(init=False, default=False)

    @property
    def told(self) -> str:
        kept = f"all that is done is kept in {self.out}"
        return f"augcon: stopping; {kept}, and {self.goes_on} goes on from it"

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """Cancel all that is in flight, and leave all the same where that takes too long.

        Where there is nothing to cancel, the process is between two things that are whole or not
        at all, and just leaves: an exception could come up anywhere, as in the midst of an import.
        """
        if not self.asked:
            self.asked = True
            _say(self.told)
        cancel = self.cancel()
        if cancel is None:
            leave()
        else:
            timer = threading.Timer(GRACE_SECONDS, leave)
            timer.daemon = True
            timer.start()
            cancel()


@contextmanager
def interruptible(out: Path, goes_on: str = "the same command") -> Iterator[Stopping]:
    """Have the block stopped by a signal; a run that was asked to stop ends with exit code 130."""
    stopping = Stopping(out, goes_on)
    before = {number: signal.signal(number, stopping.signalled) for number in STOPPING}
    try:
        yield stopping
    except BaseException as error:
        if not stopping.asked:
            raise
        if sys.stderr.isatty():  # what shows the run has drawn over it
            _say(stopping.told)
        raise typer.Exit(INTERRUPTED) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopping.asked:
        raise typer.Exit(INTERRUPTED)


def leave() -> None:
    """End the process at once. Whatever was paid for is on disk by then."""
    os._exit(INTERRUPTED)


def _say(line: str) -> None:
    """Past the buffers, which a signal may find locked; a terminal gets its cursor back."""
    before = SHOW_CURSOR if sys.stderr.isatty() else ""
    os.write(2, f"{before}\n{line}\n".encode(errors="replace"))
