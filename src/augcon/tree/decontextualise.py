"""Mend what a cut between two sentences broke: "it", "this", 该公司 without what they mean.

    parts of a node ──▶ does the first sentence of one refer back? ──▶ a minimal edit by the model
                                                                  ──▶ checked ──▶ the part, mended

Only the first sentence of a part that does not begin where its node began is looked at, and only
where the part is long enough to be asked about. The look is lexical and costs nothing; about a
third of such parts are then asked about, with a reply of one sentence. Where the reply does not
pass its check, the sentence stays as the author wrote it, and the split's books say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from augcon.corpus import count_units, sentence_spans
from augcon.errors import ReplyError, RequestRefused
from augcon.llm.base import Sampling
from augcon.prompts import Asker, Library, Weakening
from augcon.records import Context
from augcon.tree.checks import check_parts
from augcon.tree.references import dangling, objection
from augcon.tree.split import Divider, Division, Excerpt

__all__ = ["DecontextualisingDivider"]

MENDED = "first sentence of the second part mended"
AS_IT_WAS = "first sentence of the second part left as it was"


@dataclass(frozen=True, slots=True)
class DecontextualisingDivider:
    """Divides as `divider` does, and has what dangles in the second part mended.

    sampling   greedy, so that equal cuts of two passes are mended alike and asked about once
    min_units  λ: a shorter part is asked nothing, and needs no mending
    """

    divider: Divider
    asker: Asker
    library: Library
    sampling: Sampling
    min_units: int

    @property
    def languages(self) -> frozenset[str] | None:
        return self.divider.languages

    async def divide(self, node: Context, pass_number: int) -> Division:
        division = await self.divider.divide(node, pass_number)
        if len(division.excerpts) != 2 or count_units(division.parts[1]) < self.min_units:
            return division
        first, second = division.excerpts
        mended, note = await self._mended(node, second)
        if (
            mended != second.text
            and not (fits := check_parts(node, (first.text, mended), 0.0)).kept
        ):
            return replace(division, note=f"{AS_IT_WAS}: {fits.reason}")
        return replace(division, parts=(first.text, mended), note=note)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return await self.divider.weak_question(node, weakening)

    async def _mended(self, node: Context, excerpt: Excerpt) -> tuple[str, str]:
        """The part, mended or as it was, and what to note of it."""
        part = excerpt.text
        head = sentence_spans(part, node.language)[0]
        sentence = part[head.start : head.end]
        at = excerpt.start + head.start
        references = dangling(sentence, node.text[:at], node.language)
        if not references:
            return part, ""
        read = node.text[: at + len(sentence)]  # what a sentence refers to stands before it
        try:
            outputs = await self.asker.ask(
                self.library.prompt("decontextualise", node.language),
                {"context": read, "sentence": sentence},
                self.sampling,
                self.asker.caller.seed_for("decontextualise", node.id, sentence),
            )
        except (ReplyError, RequestRefused) as error:  # the part is as good as it was before
            return part, f"{AS_IT_WAS}: {error.reason}"
        said = outputs["standalone"]
        if said == sentence:
            return part, ""
        if why := objection(said, sentence, references, read, node.language):
            return part, f"{AS_IT_WAS}: {why}"
        return part[: head.start] + said + part[head.end :], f"{MENDED}: {said}"
