"""Is a split one that the tree may follow?

A context and its parts go in, a verdict comes out: the paper's two hallucination checks, what
keeps growth linear, and what the paper asks of a split without checking it: that every sentence of
the context is in a part, that no text is in both, and that every part can be placed in its source.
All of it is read off alignments of tokens. The thresholds were set on splits of human-written
texts, whole and spoilt (`docs/method.md`, `benchmarks/checks.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from augcon.corpus import Span, count_units, sentence_spans
from augcon.records import Context, Verdict, rejected
from augcon.rouge import Token, rouge_l_tokens, token_spans

__all__ = ["check_parts", "check_places"]

# Two parts that together hold much more than their parent repeat it, and a tree of repeats grows
# without bound; polishing a part to stand alone costs a few words, never a quarter of the text.
LARGEST_GROWTH = 1.25
SLACK_UNITS = 8
# Two parts that hold less of their parent than this have lost text that nothing will be asked of.
LEAST_COVERAGE = 0.5
# A sentence is lost where the parts hold less of its tokens than this: half of them go where it is
# said in other words, and a sentence of few tokens may as well have become part of another.
LEAST_OF_SENTENCE = 0.5
SHORT_SENTENCE = 5
# Of the shorter part. A name put in for a pronoun is no more than a few tokens; the two clauses of
# a single sentence, each made a sentence of its own, share up to a dozen.
LARGEST_OVERLAP = 0.3
SLACK_TOKENS, CLAUSE_SLACK_TOKENS = 8, 12
LEAST_EXPLAINED = 0.5  # of a part's tokens by its place; a text from elsewhere has fewer
PREVIEW = 60


def check_parts(parent: Context, parts: Sequence[str], least_precision: float) -> Verdict:
    """Algorithm 1's hallucination checks on the parts of one context, and the tree's own.

    Each part must be shorter than its parent, and its ROUGE-L precision against the parent must
    reach `least_precision`; the parts together must hold every sentence of the parent, and little
    of it twice.
    """
    if not parts:
        return rejected("nothing_to_split")
    lengths = [count_units(part) for part in parts]
    if min(lengths) == 0:
        return rejected("part_empty")
    if max(lengths) >= parent.units:
        return rejected("part_not_shorter", f"{max(lengths)} of {parent.units} units")
    if sum(lengths) > LARGEST_GROWTH * parent.units + SLACK_UNITS:
        return rejected("parts_overlap", f"{sum(lengths)} units from {parent.units}")
    source = token_spans(parent.text)
    there = [token.text for token in source]
    held = [[token.text for token in token_spans(part)] for part in parts]
    worst = min(rouge_l_tokens(part, there).precision for part in held)
    if worst < least_precision:
        return rejected("part_not_from_context", f"ROUGE-L precision {worst:.2f}")
    spans = sentence_spans(parent.text, parent.language)
    slack = SLACK_TOKENS if len(spans) > 1 else CLAUSE_SLACK_TOKENS
    if repeated := _repeated(held, there, slack):
        return rejected("parts_overlap", f"{repeated} tokens are in both")
    # One after the other too: of a sentence that the parent has twice, each part may hold one.
    in_a_row = [token for part in held for token in part]
    covered = set().union(*(_aligned(part, there) for part in (*held, in_a_row)))
    return _whole(parent, parts, spans, source, covered)


def check_places(children: Sequence[Context]) -> Verdict:
    """Every part has a place in its source: a part that has none is a hallucination."""
    worst = min((child.explained for child in children), default=1.0)
    if worst < LEAST_EXPLAINED:
        return rejected("part_not_placed", f"its place explains {worst:.0%} of it")
    if len({child.id for child in children}) < len(children):
        return rejected("parts_overlap", "the same part twice")
    return Verdict()


def _aligned(part: Sequence[str], there: Sequence[str]) -> set[int]:
    """The tokens of `there` that the part holds, by their longest common subsequence."""
    return {
        place
        for block in LCSseq.opcodes(part, there)
        if block.tag == "equal"
        for place in range(block.dest_start, block.dest_end)
    }


def _repeated(parts: Sequence[Sequence[str]], parent: Sequence[str], slack: int) -> int:
    """How many tokens both parts have in the same order that the parent has but once; 0 if few."""
    if len(parts) < 2:
        return 0
    shorter, longer = sorted(parts, key=len)
    in_both = Counter(longer[place] for place in _aligned(shorter, longer))
    held, once = Counter(shorter) + Counter(longer), Counter(parent)
    repeated = sum(min(n, max(0, held[token] - once[token])) for token, n in in_both.items())
    few = max(LARGEST_OVERLAP * len(shorter), min(slack, len(shorter) / 2))
    return repeated if repeated > few else 0


def _whole(
    parent: Context,
    parts: Sequence[str],
    spans: Sequence[Span],
    source: Sequence[Token],
    covered: set[int],
) -> Verdict:
    """Whether what is covered of the parent's tokens is enough, of all and of every sentence."""
    if len(covered) < LEAST_COVERAGE * len(source):
        return rejected("parts_lose_text", f"they hold {len(covered) / len(source):.0%} of it")
    place = 0
    for span in spans:
        first = place
        while place < len(source) and source[place].start < span.end:
            place += 1
        length = place - first
        held = sum(n in covered for n in range(first, place))
        if length < SHORT_SENTENCE or held >= LEAST_OF_SENTENCE * length:
            continue
        if not any(parent.text[span.start : span.end] in part for part in parts):
            return rejected("parts_lose_text", _preview(parent.text, span))
    return Verdict()


def _preview(text: str, span: Span) -> str:
    line = " ".join(text[span.start : span.end].split())
    return line if len(line) <= PREVIEW else f"{line[:PREVIEW]}…"
