"""What goes wrong at a simulated server, and for which request."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

# Of these at most one happens to a request. In the order in which they share the draw out.
SHARES = (
    *("reset", "hang", "hang_body", "drip", "slow", "cut_off", "empty", "not_json"),
    *("wrong_shape", "wrong_keys", "content_filter", "other_model", "two_choices"),
    "half_character",
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the draw did to one request. Nothing, where all is empty."""

    fault: str = ""  # one of SHARES
    status: int = 0
    says_when: bool = True  # whether Retry-After goes with a refusal


@dataclass
class Faults:
    """What goes wrong. Rates are shares of requests, drawn by the request itself and by how often
    it was asked before, so that a fault passes."""

    refuse_schema: bool = False
    ignore_schema: bool = False
    refuse_logprobs: bool = False
    ignore_logprobs: bool = False
    embeddings: bool = True
    key: str | None = None
    key_preamble: str = ""  # what the server says before it echoes a wrong key
    status: dict[int, float] = field(default_factory=dict)  # HTTP status → share of requests
    code: str | None = None  # the error code that goes with it
    retry_after: str = ""  # the header that goes with it
    retry_after_share: float = 1.0  # share of refusals with that header
    body: str = ""  # every reply is this text
    garbage: float = 0.0  # share of replies that are not what was asked for, however often asked
    garbage_for: str = ""  # always garbage where the passage holds this
    invents: float = 0.0  # share of answers with a year that the passage does not hold
    retells: float = 0.0  # share of answers that are not the passage's own words
    contradicts: float = 0.0  # share of verdicts on a claim that say it is contradicted
    untold: str = ""  # a pattern: a question that holds it is answered by no passage
    told_by: str = ""  # but by one that holds this pattern
    breaks: float = 0.0  # share of examples that are said to break their principles
    refuse_for: str = ""  # HTTP 400 where the passage holds this
    fail_for: str = ""  # HTTP 500 where the passage holds this
    refuse_embedding_for: str = ""  # HTTP 400 where a text to be embedded holds this
    first_embedding_fails: bool = False  # HTTP 503, once
    delay: float = 0.0  # seconds
    stop_after: int = 0  # from this request on, HTTP 503; 0 for never
    window: int = 0  # tokens that the list of models tells, as vLLM does; 0 for no word of it
    too_long_over: int = 0  # HTTP 400 for prompts of more tokens; 0 for never
    close_idle: float = 0.0  # seconds after which a connection without requests is closed
    reset: float = 0.0  # the connection breaks (RST) before any answer
    hang: float = 0.0  # accepted and never answered
    hang_body: float = 0.0  # the headers, then silence
    drip: float = 0.0  # the headers, then a byte now and then, for ever
    drip_every: float = 0.05  # seconds between those
    slow: float = 0.0  # takes longer
    slow_times: float = 10.0  # so many times
    cut_off: float = 0.0  # half a reply, finish_reason "length"
    empty: float = 0.0  # a reply without text
    not_json: float = 0.0  # HTTP 200, but the body is no JSON
    wrong_shape: float = 0.0  # JSON without choices or data
    wrong_keys: float = 0.0  # an object with other keys than asked for
    content_filter: float = 0.0  # no text, finish_reason "content_filter"
    other_model: float = 0.0  # the reply names another model
    two_choices: float = 0.0  # two replies where one was asked for
    half_character: float = 0.0  # a text ends with one half of a surrogate pair, as an escape

    def drawn(self, identity: str, attempt: int) -> Drawn:
        """The same for the same request at the same attempt."""
        draws = random.Random(f"{identity}{attempt}")
        draw, says_when = draws.random(), draws.random() < self.retry_after_share
        for status, share in self.status.items():
            if draw < share:
                return Drawn(status=status, says_when=says_when)
            draw -= share
        for fault in SHARES:
            share = getattr(self, fault)
            if draw < share:
                return Drawn(fault, says_when=says_when)
            draw -= share
        return Drawn(says_when=says_when)

    def draws(self) -> bool:
        """Whether any of this is a matter of the draw."""
        return bool(self.status) or any(getattr(self, name) for name in SHARES)
