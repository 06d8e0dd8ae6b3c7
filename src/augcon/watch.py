"""What is going on in a run, for whoever shows it, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from augcon.llm.budget import Budget
from augcon.llm.call import Meter
from augcon.llm.places import Places
from augcon.store import Amounts, Finished, Forecast

__all__ = ["Watch"]


@dataclass(slots=True)
class Watch:
    """What is going on, for whoever shows it; `stop` cancels it, from any thread.

    unit  what is counted as `contexts`: root contexts, or the lines of a file to be scored
    """

    unit: str = "contexts"
    meter: Meter = field(default_factory=Meter)
    step: str = ""
    contexts: int = 0
    contexts_done: int = 0
    done_here: int = 0
    model_ready: float = 0.0  # on the monotonic clock, as is the next
    augmenting_since: float = 0.0
    questions: int = 0
    pairs: int = 0
    download: Callable[[str, int, int], None] = lambda _label, _done, _total: None
    say: Callable[[str], None] = lambda _line: None
    stop: Callable[[], object] | None = None  # set while there is something to stop
    # Told what is left to do, before money is spent without a bound; raises where it should not be.
    agree: Callable[[Amounts], None] = lambda _left: None
    forecast: Forecast | None = None
    finished: Finished = field(default_factory=Finished)
    calls_before: int = 0  # by earlier starts of the run
    places: Places | None = None
    budget: Budget | None = None

    def go_on_to(self, step: str) -> None:
        self.step = step

    @property
    def calls_left(self) -> float:
        """About how many calls are still to be made; 0 where nothing was forecast."""
        expected = self.forecast.calls_in_all(self.finished) if self.forecast else 0.0
        return max(0.0, expected - self.calls_before - self.meter.calls)
