"""Showing a run while it goes: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from augcon.store import Amounts
from augcon.watch import Watch

__all__ = ["shown"]

LINE_SECONDS = 15.0
POLL_SECONDS = 0.25
SILENT_SECONDS = 60.0  # without a reply, and it is said
FEW = 10  # calls, before a speed is made of them
RECENT_SECONDS = 60.0  # whose speed the time left goes by: it grows while a run finds its pace


@contextmanager
def shown(watch: Watch, *, quiet: bool, ask: bool = False) -> Iterator[None]:
    """Show what `watch` sees on standard error for as long as the block lasts.

    ask  whether to ask, on a terminal, before money is spent without a bound
    """
    if quiet:
        yield
        return
    view = _View(watch)
    watch.download = view.downloading
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with Live(
            get_renderable=view.table, console=console, refresh_per_second=4, transient=True
        ) as live:
            if ask and sys.stdin.isatty():
                watch.agree = lambda left: _demand_agreement(left, live, watch)
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


def _demand_agreement(left: Amounts, live: Live, watch: Watch) -> None:
    """Raises typer.Abort where the answer is no. Ctrl-C ends the question at once."""
    tokens = left.prompt_tokens + left.completion_tokens
    told = f"about {left.pairs} pairs, {left.calls} calls, {tokens} tokens, cost {left.cost:.2f}"
    live.stop()
    stop, watch.stop = watch.stop, None
    print(f"{told}; go on? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer or answer.strip().lower() not in ("", "y", "yes"):
        print("nothing was asked", file=sys.stderr)
        raise typer.Abort
    watch.stop = stop
    live.start()


@dataclass(slots=True)
class _View:
    """A watch with the time it has been watched for."""

    watch: Watch
    started: float = field(default_factory=time.monotonic)
    download: str = ""
    # When, and how many calls had been made by then.
    _calls: deque[tuple[float, int]] = field(init=False, default_factory=deque)

    def downloading(self, label: str, done: int, total: int) -> None:
        self.download = f"{label}: {done / 1e6:.0f} of {total / 1e6:.0f} MB" if done < total else ""

    def numbers(self) -> list[tuple[str, str]]:
        watch, meter = self.watch, self.watch.meter
        seconds = time.monotonic() - self.started
        tokens = meter.prompt_tokens + meter.completion_tokens
        rows = [
            ("step", self.download or watch.step),
            (watch.unit, f"{watch.contexts_done} of {watch.contexts}"),
        ]
        if watch.unit == "contexts":
            rows += [("questions kept", str(watch.questions)), ("pairs", str(watch.pairs))]
        rows += [
            ("calls", f"{meter.calls} made, {self._in_flight()}, {meter.replayed} replayed"),
            ("tokens", f"{tokens} ({tokens / max(seconds, 1e-9):.0f}/s)"),
            ("time", _clock(seconds)),
        ]
        return [*rows, ("time left", self._left()), *self._warnings()]

    def table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in self.numbers():
            table.add_row(f"[dim]{name}[/dim]", value)
        return table

    def line(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.numbers())

    def _in_flight(self) -> str:
        places = self.watch.places
        return f"{self.watch.meter.in_flight} in flight" + (
            f" of {places.allowed} allowed" if places else ""
        )

    def _warnings(self) -> Iterator[tuple[str, str]]:
        budget, places = self.watch.budget, self.watch.places
        if budget is not None and budget.bounded:
            yield "budget", f"{budget.spent_share:.0%} spent"
        if places is not None and places.resting:
            since = f"waiting for {places.silence:.0f} s"
            yield "server", f"the server does not answer, {since}"
        elif places is not None and self.watch.meter.in_flight and places.silence > SILENT_SECONDS:
            yield "server", f"no reply for {places.silence:.0f} s"

    def _left(self) -> str:
        """By the calls that are still to be made; by contexts, where those were too few."""
        watch, pace = self.watch, self._calls_per_second()
        if watch.meter.calls >= FEW and watch.calls_left and pace:
            return _clock(watch.calls_left / pace)
        if not watch.done_here:
            return "unknown"
        spent = time.monotonic() - watch.augmenting_since
        return _clock(spent / watch.done_here * (watch.contexts - watch.contexts_done))

    def _calls_per_second(self) -> float:
        now = time.monotonic()
        self._calls.append((now, self.watch.meter.calls))
        while now - self._calls[0][0] > RECENT_SECONDS:
            self._calls.popleft()
        since, before = self._calls[0]
        return (self.watch.meter.calls - before) / max(now - since, 1e-9)


def _talk(view: _View, stop: threading.Event) -> None:
    """A line whenever the step changes, and every so often."""
    said, step = 0.0, ""
    while not stop.wait(POLL_SECONDS):
        now = time.monotonic()
        here = view.download or view.watch.step
        if here and (view.watch.step != step or now - said >= LINE_SECONDS):
            said, step = now, view.watch.step
            print(view.line(), file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
