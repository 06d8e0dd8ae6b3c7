"""What a simulated server was asked, what it said, and how busy its slots were, exactly.

All times are seconds of the monotonic clock, which every process of this machine shares, unless the
log is given another.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple


class Exchange(NamedTuple):
    """One request: when it came and was done with; status 0 where no answer was ever sent."""

    arrived: float
    finished: float
    status: int


class Occupancy(NamedTuple):
    """From this time on, so many of the slots were busy."""

    time: float
    busy: int
    slots: int


@dataclass
class Log:
    """What was asked. `bodies` are the requests that were answered, unless there are too many.

    clock   what tells the time, in seconds
    record  a file to which every request is added when it was read, and once more when it is
            answered: what is in it stays when the server is killed
    """

    keep_bodies: bool = True
    record: str = ""
    clock: Callable[[], float] = time.monotonic
    bodies: list[dict[str, Any]] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    occupancy: list[Occupancy] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    requests: int = 0
    answered: int = 0  # HTTP 200 with a whole body, as asked for or not
    refused: Counter[int] = field(default_factory=Counter)  # HTTP status → requests
    faults: Counter[str] = field(default_factory=Counter)  # drawn fault → requests
    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt tokens
    completion_tokens: int = 0
    embedded_tokens: int = 0  # counted apart, for no prefix of theirs is ever cached

    def __post_init__(self) -> None:
        """What a killed server had half written is ended."""
        if self.record and Path(self.record).exists():
            with Path(self.record).open("ab") as file:
                file.write(b"\n")

    def repeated(self) -> int:
        """Requests that were asked more than once and answered."""
        seen = Counter(json.dumps(body, sort_keys=True) for body in self.bodies)
        return sum(n - 1 for n in seen.values())

    def came(self) -> float:
        """Count a request that arrived; gives the time."""
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return self.clock()

    def went(self, arrived: float, status: int) -> None:
        self.in_flight -= 1
        self.exchanges.append(Exchange(arrived, self.clock(), status))
        if status >= 400:
            self.refused[status] += 1

    def read(self, body: dict[str, Any]) -> None:
        """A request has come in whole."""
        self._recorded("asked", body)

    def _recorded(self, event: str, body: dict[str, Any]) -> None:
        if self.record:
            line = json.dumps({"body": body, "event": event}, ensure_ascii=False)
            with Path(self.record).open("ab", buffering=0) as file:
                file.write(f"{line}\n".encode())

    def kept(self, body: dict[str, Any]) -> None:
        """Count a request that is answered now."""
        self._recorded("answered", body)
        self.answered += 1
        if self.keep_bodies:
            self.bodies.append(body)

    def occupied(self, busy: int, slots: int) -> None:
        if not self.occupancy or self.occupancy[-1][1:] != (busy, slots):
            self.occupancy.append(Occupancy(self.clock(), busy, slots))

    def busy_share(self, start: float, end: float) -> float:
        """The part of all slots' time between two moments in which they worked.

        Before the first change that is known the slots stood idle. 0 where there are no slots.
        """
        spans = list(self._spans(start, end))
        there = sum(span * at.slots for span, at in spans)
        return sum(span * at.busy for span, at in spans) / there if there else 0.0

    def _spans(self, start: float, end: float) -> Iterator[tuple[float, Occupancy]]:
        """Pieces of the time from start to end, each with what held in it."""
        changes = self.occupancy
        if not changes:
            return
        first = bisect_right(changes, start, key=lambda at: at.time)
        before = changes[first - 1] if first else changes[0]._replace(busy=0)
        inside = changes[first : bisect_right(changes, end, key=lambda at: at.time)]
        edges = [before._replace(time=start), *inside, before._replace(time=end)]
        yield from ((later.time - at.time, at) for at, later in pairwise(edges))

    def totals(self) -> dict[str, Any]:
        """Everything that can be counted, for JSON. `busy_share` is from first to last request."""
        start = min((e.arrived for e in self.exchanges), default=0.0)
        end = max((e.finished for e in self.exchanges), default=0.0)
        return {
            "now": self.clock(),
            "requests": self.requests,
            "answered": self.answered,
            "refused": {str(status): n for status, n in sorted(self.refused.items())},
            "faults": dict(sorted(self.faults.items())),
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "embedded_tokens": self.embedded_tokens,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "most_busy": max((at.busy for at in self.occupancy), default=0),
            "first_arrival": start,
            "last_finish": end,
            "busy_share": self.busy_share(start, end),
        }
