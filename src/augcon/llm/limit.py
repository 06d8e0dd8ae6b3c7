"""How many requests one server may have in flight, found out from how it takes them.

    start: double while that brings more    ──▶  the server is full: stay a little above that
    refused more often than usual: shrink   ──▶  back up quickly to near where that was, then by one

Additive increase and multiplicative decrease alone do not find a server's capacity where it
refuses nothing and lets everything queue, and they collapse where a proxy refuses a share of all
requests whatever their number. So growth must show in work done for the time, and a decrease that
does not make refusals rarer is taken back.

Time is counted in rounds: about one reply's time, until nearly all that was in flight at a round's
beginning has come back. Work is counted as the seconds that a request of this size takes at its
fastest, so that work for the time is how many requests the server really works on at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Limit"]

FIRST = 32.0  # places to begin with
DOUBLED = 2.0
WORTH = 1.25  # so much more work a doubling must bring; and the room kept above what it took
FLAT_ROUNDS = 2  # without it, and the server is full
MOST_WAITING = 4.0  # times as many places as requests that a full server really works on
FEW_REPLIES = 8  # by which a small server is known
LONG_WAIT = 3.0  # times as long as it needs, for a reply among them
QUICK_SECONDS = 0.2  # of the slowest reply of late
AGED = 0.95  # of what was true some time ago
STRAGGLERS = 0.1  # of the places: so many of a round may still be out
PROMPT_SIZE = 4  # tokens, that cost as much as beginning a reply, or so
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
    carried: int = 0  # out when it began, and not yet back
    sent: int = 0
    answered: int = 0
    refused: int = 0
    work: float = 0.0
    used: float = 0.0  # places in use, summed over outcomes
    peak: int = 0  # of them; replies that come in step leave all places empty at once

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
    _out: int = field(init=False, default=0)  # requests that were sent and are not back
    _number: int = field(init=False, default=0)  # of the round
    _epoch: int = field(init=False, default=0)  # its first round: before, places were others
    _fastest: dict[bool, float] = field(init=False, default_factory=dict)
    _longest: float = field(init=False, default=0.0)  # seconds, of late
    _usual: float = field(init=False, default=0.0)  # share refused however few are in flight
    _decrease: _Decrease | None = field(init=False, default=None)  # to be judged
    _bound: float = field(init=False)  # up to here places come back quickly
    _paces: list[float] = field(init=False, default_factory=list)  # of the first replies
    _starting: bool = field(init=False, default=True)
    _full: bool = field(init=False, default=False)  # it refuses nothing, and more brings nothing
    _best: float = field(init=False, default=0.0)  # work a second, and the places it took
    _best_places: float = field(init=False, default=0.0)
    _tried: float = field(init=False, default=0.0)  # work a second with more places on trial
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
        self._out += 1
        self._round.peak = max(self._round.peak, self._out)
        return self._number

    def answered(self, sent: int, seconds: float, tokens: int) -> None:
        """A reply came after so many seconds.

        tokens  that were written for it; none for an embedding
        """
        work, out = self._work(seconds, tokens), self._out
        if self._is_known(sent):
            self._round.answered += 1
            self._round.work += work
            self._round.used += out
            if tokens and out >= FEW_REPLIES:
                self._look_at_first(seconds / (tokens + PROMPT_SIZE))
            self._judge_decrease()
            self._end_round()

    def refused(self, sent: int) -> None:
        """The server said that it is too busy, or did not answer in time."""
        out = self._out
        if self._is_known(sent):
            self._round.refused += 1
            self._round.used += out
            self._judge_decrease()
            if self._is_refused_more():
                self._shrink()
            self._end_round()

    def lost(self, sent: int) -> None:
        """There is no outcome that tells of the server's load."""
        self._is_known(sent)

    def _look_at_first(self, pace: float) -> None:
        """A server of one or two slots is known by its first replies to many requests: for their
        size, each takes longer than the one before, which it had to wait for."""
        if len(self._paces) == FEW_REPLIES:
            return
        self._paces.append(pace)
        if len(self._paces) < FEW_REPLIES or self._is_quick():
            return
        waited = median(self._paces[-3:]) / min(self._paces)
        if waited > LONG_WAIT:
            self._places = self._within(MOST_WAITING * FEW_REPLIES / waited)
            self._begin_epoch()

    def _is_known(self, sent: int) -> bool:
        """It is back. Whether it was sent with the places that there are now, or with fewer."""
        self._out -= 1
        if sent < self._number:
            self._round.carried -= 1
        return sent >= self._epoch

    def _is_quick(self) -> bool:
        """Whether a queue costs nothing: what such a server takes is mostly the way there."""
        return self._longest < QUICK_SECONDS

    def _work(self, seconds: float, tokens: int) -> float:
        """What this would have taken alone, by the fastest of its kind so far."""
        self._longest = max(seconds, AGED * self._longest)
        size = tokens + PROMPT_SIZE if tokens else 1
        kind = bool(tokens)
        self._fastest[kind] = min(self._fastest.get(kind, math.inf), seconds / size)
        return self._fastest[kind] * size

    def restart(self) -> None:
        """The server was away: what was found out about its room is old."""
        self._places = self._within(FIRST)
        self._bound = float(self.most)
        self._starting, self._full, self._decrease = True, False, None
        self._best, self._rounds, self._usual = 0.0, 0, 0.0
        self._fastest.clear()
        self._paces.clear()
        self._begin_epoch()

    def _within(self, places: float) -> float:
        return min(float(self.most), max(float(self.least), places))

    def _begin_epoch(self) -> None:
        self._begin_round()
        self._epoch = self._number
        self._round.carried = 0  # what was sent before tells nothing any more

    def _begin_round(self) -> None:
        self._number += 1
        self._round = _Round(self.clock(), carried=self._out)

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
        if done.outcomes < self._places or done.carried > STRAGGLERS * self._places:
            return
        if now <= done.began or self._decrease is not None:
            return
        full = done.used >= FULL * done.outcomes * self._places
        if full or (self._starting and done.peak >= self.allowed):
            self._grow(done.work / (now - done.began))
            self._places = self._within(self._places)
        self._usual = AGED * self._usual + (1 - AGED) * min(self._usual, done.share_refused)
        self._begin_round()

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
            most = math.inf if self._is_quick() else MOST_WAITING * max(1.0, self._best)
            self._settle(min(self._best_places * WORTH, most))

    def _settle(self, places: float) -> None:
        self._starting, self._full, self._rounds, self._best = False, True, 0, 0.0
        self._places = self._best_places = places

    def _try_more(self, rate: float) -> None:
        """Now and then a quarter more is tried, for servers get neighbours and lose them."""
        if self._rounds < TRIAL_ROUNDS:
            self._best = 0.75 * self._best + 0.25 * rate if self._best else rate
        elif self._rounds == TRIAL_ROUNDS:
            self._places *= WORTH
            self._tried = 0.0
        else:
            self._tried += rate / FLAT_ROUNDS
            if self._rounds == TRIAL_ROUNDS + FLAT_ROUNDS:
                more = self._tried >= TRIAL_WORTH * self._best
                self._settle(self._places if more else self._best_places)
