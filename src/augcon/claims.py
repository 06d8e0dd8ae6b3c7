"""What a check of an answer against its context found, claim by claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["BY_ROOT", "Claim", "ClaimVerdict", "Verification"]

BY_ROOT = "root"  # how such a reply was verified: the whole root does not answer the question


class ClaimVerdict(StrEnum):
    """What a context says of a claim."""

    SUPPORTED = "supported"
    ABSENT = "not_in_context"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer, and what the context says of it.

    start, end  its span in the answer
    score       how likely it is to be supported, in [0, 1]
    evidence_start, evidence_end
                the span of the context that decides it; empty where nothing does
    finding     what is missing or wrong, in a few words
    """

    start: int
    end: int
    verdict: ClaimVerdict
    score: float
    evidence_start: int
    evidence_end: int
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What an answer's check against its context found.

    method  "lexical" or "model"; BY_ROOT of a reply that says that something is not known
    """

    method: str
    claims: tuple[Claim, ...]

    @property
    def score(self) -> float:
        """That of the weakest claim."""
        return min((claim.score for claim in self.claims), default=0.0)

    @property
    def worst(self) -> Claim | None:
        """The claim that the answer fails by: a contradicted one before one that is absent."""
        failing = [c for c in self.claims if c.verdict is not ClaimVerdict.SUPPORTED]
        return min(
            failing,
            key=lambda c: (c.verdict is not ClaimVerdict.CONTRADICTED, c.score),
            default=None,
        )

    def as_json(self) -> dict[str, object]:
        claims = [
            {
                "start": claim.start,
                "end": claim.end,
                "verdict": str(claim.verdict),
                "score": round(claim.score, 3),
                "evidence": [claim.evidence_start, claim.evidence_end],
                **({"finding": claim.finding} if claim.finding else {}),
            }
            for claim in self.claims
        ]
        return {"method": self.method, "score": round(self.score, 3), "claims": claims}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Verification:
        claims = tuple(
            Claim(
                *(claim["start"], claim["end"], ClaimVerdict(claim["verdict"]), claim["score"]),
                *(*claim["evidence"], claim.get("finding", "")),
            )
            for claim in raw["claims"]
        )
        return cls(raw["method"], claims)
