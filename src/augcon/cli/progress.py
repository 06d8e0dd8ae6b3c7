"""Showing a run while it goes: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from augcon.pipeline import Watch

__all__ = ["shown"]

LINE_SECONDS = 15.0
POLL_SECONDS = 0.25


@contextmanager
def shown(watch: Watch, *, quiet: bool) -> Iterator[None]:
    """Show what `watch` sees on standard error for as long as the block lasts."""
    if quiet:
        yield
        return
    view = _View(watch)
    watch.download = view.downloading
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with Live(get_renderable=view.table, console=console, refresh_per_second=4, transient=True):
            yield
        return
    stop = threading.Event()
    talker = threading.Thread(target=_talk, args=(view, stop), daemon=True)
    talker.start()
    try:
        yield
    finally:
        stop.set()
        talker.join()


@dataclass(slots=True)
class _View:
    """A watch with the time it has been watched for."""

    watch: Watch
    started: float = field(default_factory=time.monotonic)
    download: str = ""

    def downloading(self, label: str, done: int, total: int) -> None:
        self.download = f"{label}: {done / 1e6:.0f} of {total / 1e6:.0f} MB" if done < total else ""

    def numbers(self) -> list[tuple[str, str]]:
        watch, meter = self.watch, self.watch.meter
        seconds = time.monotonic() - self.started
        tokens = meter.prompt_tokens + meter.completion_tokens
        rows = [
            ("step", self.download or watch.step),
            ("contexts", f"{watch.contexts_done} of {watch.contexts}"),
            ("questions kept", str(watch.questions)),
            ("pairs", str(watch.pairs)),
            (
                "calls",
                f"{meter.calls} made, {meter.in_flight} in flight, {meter.replayed} replayed",
            ),
            ("tokens", f"{tokens} ({tokens / max(seconds, 1e-9):.0f}/s)"),
            ("time", _clock(seconds)),
        ]
        return [*rows, ("time left", self._left())]

    def table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in self.numbers():
            table.add_row(f"[dim]{name}[/dim]", value)
        return table

    def line(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.numbers())

    def _left(self) -> str:
        watch = self.watch
        if not watch.done_here:
            return "unknown"
        spent = time.monotonic() - watch.augmenting_since
        return _clock(spent / watch.done_here * (watch.contexts - watch.contexts_done))


def _talk(view: _View, stop: threading.Event) -> None:
    """A line whenever the step changes, and every so often."""
    said, step = 0.0, ""
    while not stop.wait(POLL_SECONDS):
        now = time.monotonic()
        here = view.download or view.watch.step
        if view.watch.step != step or now - said >= LINE_SECONDS:
            said, step = now, view.watch.step
            print(view.line() if here else "starting", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
