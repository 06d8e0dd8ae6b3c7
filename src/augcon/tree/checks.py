"""Is a split one that the tree may follow? The paper's two checks, and what keeps growth linear."""

from __future__ import annotations

from collections.abc import Sequence

from augcon.corpus import count_units
from augcon.records import Context, Verdict, rejected
from augcon.rouge import rouge_l

__all__ = ["check_parts"]

# Two parts that together hold much more than their parent repeat it, and a tree of repeats grows
# without bound; polishing a part to stand alone costs a few words, never a quarter of the text.
LARGEST_GROWTH = 1.25
SLACK_UNITS = 8
# Two parts that hold less of their parent than this have lost text that nothing will be asked of.
LEAST_COVERAGE = 0.5


def check_parts(parent: Context, parts: Sequence[str], least_precision: float) -> Verdict:
    """Algorithm 1's hallucination checks on the parts of one context.

    Each part must be shorter than its parent, and its ROUGE-L precision against the parent must
    reach `least_precision`; the parts together must cover the parent and not repeat it.
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
    worst = min(rouge_l(part, parent.text).precision for part in parts)
    if worst < least_precision:
        return rejected("part_not_from_context", f"ROUGE-L precision {worst:.2f}")
    covered = rouge_l("\n".join(parts), parent.text).recall
    if covered < LEAST_COVERAGE and len(set(parts)) < len(parts):
        return rejected("parts_overlap", "the same part twice")
    if covered < LEAST_COVERAGE:
        return rejected("parts_lose_text", f"they hold {covered:.0%} of it")
    return Verdict()
