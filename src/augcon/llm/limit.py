"""How many requests one server may have in flight, found out from how it takes them.

    start: double while that brings more    ──▶  the server is full: stay a little above that
    refused more often than usual: shrink   ──▶  back up quickly to near where that was, then by one

Additive increase and multiplicative decrease alone do not find a server's capacity where it
refuses nothing and lets everything queue, and they collapse where a proxy refuses a share of all
requests whatever their number. So growth must show in work done for the time, and a decrease that
does not make refusals rarer is taken back.

Time is counted in rounds: as many outcomes as there are places, which is about one reply's time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Limit"]

FIRST = 16.0  # places to begin with
DOUBLED = 2.0
WORTH = 1.25  # so much more work a doubling must bring; and the room kept above what it took
FLAT_ROUNDS = 2  # without it, and the server is full
FULL = 0.8  # share of places in use, or a round says nothing about more of them
SHRUNK = 0.8
RECOVERY = 1.25  # a round, back to where refusals began
FEWEST_ASKED = 16  # to shrink by
FEWEST_TO_JUDGE = 16  # replies, to say whether it helped
MORE_REFUSED = 0.1  # share of refusals above the usual that makes for a decrease
SAME_REFUSED = 0.4  # of what it was: refusals that a decrease left at so much are not of our making
MOST_USUAL = 0.5  # a server that refuses more than this is asked less, whatever the reason
TRIAL_ROUNDS = 32  # between trials of a server that was found full
TRIAL_WORTH = 1.1


@dataclass(slots=True)
class _Round:
    """What happened since it began."""

    began: float
    sent: int = 0
    answered: int = 0
    refused: int = 0
    work: float = 0.0
    used: float = 0.0  # places in use, summed over outcomes

    @property
    def outcomes(self) -> int:
        return self.answered + self.refused

    @property
    def asked(self) -> int:
        """Refusals come back long before replies do: what is under way counts as well."""
        return max(self.sent, self.outcomes)

    @property
    def share_refused(self) -> float:
        return self.refused / max(1, self.asked)


@dataclass(frozen=True, slots=True)
class _Decrease:
    """What there was before it."""

    places: float
    share_refused: float
    starting: bool


@dataclass(slots=True)
class Limit:
    """The number of places at one server, `allowed`.

    least, most  bounds that the user sets; equal ones fix the number

    Every request is told to it when it is sent, and again with what became of it.
    """

    least: int = 1
    most: int = 8
    clock: Callable[[], float] = time.monotonic
    _places: float = field(init=False)
    _round: _Round = field(init=False)
    _epoch: int = field(init=False, default=0)  # of decreases: older requests tell of other places
    _usual: float = field(init=False, default=0.0)  # share refused however few are in flight
    _decrease: _Decrease | None = field(init=False, default=None)  # to be judged
    _bound: float = field(init=False)  # up to here places come back quickly
    _starting: bool = field(init=False, default=True)
    _full: bool = field(init=False, default=False)  # it refuses nothing, and more brings nothing
    _best: float = field(init=False, default=0.0)  # work a second, and the places it took
    _best_places: float = field(init=False, default=0.0)
    _rounds: int = field(init=False, default=0)  # since places were last changed by their worth

    def __post_init__(self) -> None:
        self._places = self._within(FIRST)
        self._bound = float(self.most)
        self._round = _Round(self.clock())

    @property
    def allowed(self) -> int:
        return int(self._places)

    def sent(self) -> int:
        """A request goes out; its outcome is to be told with this number."""
        self._round.sent += 1
        return self._epoch

    def answered(self, sent: int, in_flight: int, work: float) -> None:
        """A reply came, of so much work (in any unit), while so many were in flight."""
        if sent != self._epoch:
            return
        self._round.answered += 1
        self._round.work += work
        self._round.used += in_flight
        self._judge_decrease()
        self._end_round()

    def refused(self, sent: int, in_flight: int) -> None:
        """The server said that it is too busy, or did not answer in time."""
        if sent != self._epoch:
            return
        self._round.refused += 1
        self._round.used += in_flight
        self._judge_decrease()
        if self._is_refused_more():
            self._shrink()
        self._end_round()

    def restart(self) -> None:
        """The server was away: what was found out about its room is old."""
        self._places = self._within(FIRST)
        self._bound = float(self.most)
        self._starting, self._full, self._decrease = True, False, None
        self._best, self._rounds = 0.0, 0
        self._begin_epoch()

    def _within(self, places: float) -> float:
        return min(float(self.most), max(float(self.least), places))

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._round = _Round(self.clock())

    def _is_refused_more(self) -> bool:
        done = self._round
        if done.asked < FEWEST_ASKED:
            return False
        if self._decrease is not None:  # one at a time is judged, but for a server in need
            return done.share_refused > MOST_USUAL
        chance = 2.0 * math.sqrt(self._usual * (1 - self._usual) / done.asked)
        return done.share_refused > self._usual + MORE_REFUSED + chance

    def _shrink(self) -> None:
        self._decrease = _Decrease(self._places, self._round.share_refused, self._starting)
        self._starting = self._full = False
        self._bound = self._places * (1 + SHRUNK) / 2
        self._places = self._within(self._places * SHRUNK)
        self._begin_epoch()

    def _judge_decrease(self) -> None:
        """Undo the last decrease where refusals are as frequent without it."""
        was, done = self._decrease, self._round
        if was is None or done.answered < FEWEST_TO_JUDGE:
            return
        self._decrease = None
        share = done.share_refused
        if SAME_REFUSED * was.share_refused <= share <= MOST_USUAL:
            self._usual = max(self._usual, share)
            self._places, self._bound = was.places, float(self.most)
            self._starting = was.starting
            self._begin_epoch()

    def _end_round(self) -> None:
        done, now = self._round, self.clock()
        if done.outcomes < self._places or now <= done.began or self._decrease is not None:
            return
        if done.used >= FULL * done.outcomes * self._places:
            self._grow(done.work / (now - done.began))
            self._places = self._within(self._places)
        self._round = _Round(now)

    def _grow(self, rate: float) -> None:
        self._rounds += 1
        if self._starting:
            self._double(rate)
        elif self._full:
            self._try_more(rate)
        elif self._places < self._bound:
            self._places = min(self._bound, self._places * RECOVERY)
        else:
            self._places += 1

    def _double(self, rate: float) -> None:
        """The round in which places were doubled tells of both numbers, and is not looked at."""
        if self._rounds == 1 and self._best:
            return
        if rate >= WORTH * self._best:
            self._best, self._best_places, self._rounds = rate, self._places, 0
            self._places *= DOUBLED
        elif self._rounds > FLAT_ROUNDS:
            self._settle(self._best_places * WORTH)

    def _settle(self, places: float) -> None:
        self._starting, self._full, self._rounds, self._best = False, True, 0, 0.0
        self._places = self._best_places = places

    def _try_more(self, rate: float) -> None:
        """Now and then a quarter more is tried, for servers get neighbours and lose them."""
        if self._rounds < TRIAL_ROUNDS:
            self._best = 0.75 * self._best + 0.25 * rate if self._best else rate
        elif self._rounds == TRIAL_ROUNDS:
            self._places *= WORTH
        elif self._rounds == TRIAL_ROUNDS + FLAT_ROUNDS:
            more = rate >= TRIAL_WORTH * self._best
            self._settle(self._places if more else self._best_places)
