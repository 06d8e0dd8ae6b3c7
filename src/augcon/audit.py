"""Are the user's own annotated examples what the answers are to be like?

    each example ──checks of every answer, the run's own verifier──▶ what is wrong with it
                 ──the model: does it keep to the principles?──────▶ the principle that it breaks

A model imitates its examples, faults included. What is found is reported and nothing is mended or
left out: it may be meant. Ready sets are held to the same by the tests, and not asked about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from augcon.answer import Checking
from augcon.answer.examples import as_question, demand_judged, demanding_a_server
from augcon.answer.respond import blame_principles
from augcon.answer.verify import JUDGING, read_grade
from augcon.assemble import assemble_asker, assemble_checking, is_embedded
from augcon.config import Settings
from augcon.errors import ItemError, RequestFailed, TooLongError
from augcon.llm.models import Models, Remember
from augcon.prompts import Asker, Library
from augcon.prompts.library import SOURCE, prompt_language
from augcon.records import Triplet
from augcon.together import together

__all__ = ["KEPT", "audit_examples"]

MOST_TOLD = 5  # on the terminal, of each language; the report has them all
KEPT = {
    "kept": 1.0, "broken": 0.0, "遵守": 1.0, "违反": 0.0,
    # What models write although they were given the words above.
    "not broken": 1.0, "not kept": 0.0, "violated": 0.0,
    "没有违反": 1.0, "未违反": 1.0, "没有遵守": 0.0, "未遵守": 0.0, "不遵守": 0.0,
}  # fmt: skip


async def audit_examples(
    settings: Settings,
    models: Models,
    library: Library,
    languages: Collection[str],
    remember: Remember,
    say: Callable[[str], None],
) -> None:
    """Look at the annotated examples of these languages, where they or the principles are not
    ours, and `say` what is wrong with them."""
    checking = assemble_checking(settings, models, library)
    asker = None if is_embedded(settings) else assemble_asker(settings, models)
    for language in sorted({prompt_language(language) for language in languages}):
        triplets = library.triplets(language)
        if not triplets or not library.is_own(language):
            continue
        audit = _Audit(checking, asker, library, language)
        output = await remember(
            f"audit-{language}", partial(audit.of, triplets), *(t.id for t in triplets)
        )
        _tell(json.loads(output)["found"], say)


def _tell(found: Sequence[Mapping[str, str]], say: Callable[[str], None]) -> None:
    """The faults, each once, however many examples have it."""
    with_it: dict[str, list[str]] = {}
    for each in found:
        said = f"{each['reason']}: {each['detail']}".strip(": ")
        with_it.setdefault(said, []).append(each["question"])
    for said, questions in list(with_it.items())[:MOST_TOLD]:
        more = f" and {len(questions) - 1} more" if len(questions) > 1 else ""
        say(f"WARNING: annotated example {questions[0]!r}{more}: {said}")
    if len(with_it) > MOST_TOLD:
        say(f"WARNING: and {len(with_it) - MOST_TOLD} other faults, which the report lists")


@dataclass(frozen=True, slots=True)
class _Audit:
    """asker  None where the model follows no principles"""

    checking: Checking
    asker: Asker | None
    library: Library
    language: str

    async def of(self, triplets: Sequence[Triplet]) -> str:
        """What is wrong with them, as JSON text."""
        found = [each for some in await together(map(self._found, triplets)) for each in some]
        told = [
            {"id": triplet.id, "question": triplet.question, "reason": reason, "detail": detail}
            for triplet, reason, detail in found
        ]
        return json.dumps({"examples": len(triplets), "found": told})

    async def _found(self, triplet: Triplet) -> list[tuple[Triplet, str, str]]:
        with demanding_a_server(triplet):
            both = (await self._wanting(triplet), await self._broken(triplet))
        return [(triplet, reason, detail) for reason, detail in both if reason]

    async def _wanting(self, triplet: Triplet) -> tuple[str, str]:
        """Why it would be rejected as an answer of this run, with the detail; ("", "") if not."""
        if self.asker and SOURCE in self.library.principles(self.language) and not triplet.source:
            return "no_source", "its line has no source, which answers are to name"
        verdict = (await self.checking.judge(as_question(triplet), triplet.answer)).verdict
        demand_judged(verdict)
        return verdict.reason, verdict.detail

    async def _broken(self, triplet: Triplet) -> tuple[str, str]:
        """The principle that it breaks, in the model's words."""
        if self.asker is None:
            return "", ""
        prompt, principles = self.library.with_principles("audit", self.language)
        values = {
            "principles": principles,
            "context": triplet.context,
            "source": triplet.source,
            "question": triplet.question,
            "answer": triplet.answer,
        }

        def usable(outputs: dict[str, str]) -> None:
            read_grade(outputs["verdict"], KEPT)

        seed = self.asker.caller.seed_for("audit", triplet.id)
        try:
            outputs = await self.asker.ask(prompt, values, JUDGING, seed, usable)
        except RequestFailed:
            raise
        except ItemError as error:
            if isinstance(error, TooLongError):
                blame_principles(self.library, prompt, values, error)
            return error.reason, error.detail
        broken = KEPT[read_grade(outputs["verdict"], KEPT)] == 0
        return ("breaks_principles", outputs["finding"]) if broken else ("", "")
