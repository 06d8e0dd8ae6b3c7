"""The embedded model's questions: several are drawn, filtered by their words, and one is taken.

    node's text ──▶ candidates ──filter──▶ those that may stand ──best by `ranking`──▶ its question

A tiny model that has learned to ask still says false things of the text in many a question, and
does not know it. What it knows, and what the text and the meaning of its sentences tell, is put
together by weights that were fitted to questions read one by one (`augcon.tree.ranking`).
"""

from __future__ import annotations

from augcon.corpus import SentenceSplitter
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, Unusable
from augcon.llm.encode import encode
from augcon.prompts import Exchange, Prompt, Weakening
from augcon.records import Context
from augcon.tree.candidates import objection
from augcon.tree.ranking import Candidate, log_odds

__all__ = ["QUESTION", "QUESTION_TOKENS", "QuestionWriter", "read_candidates"]

QUESTION = 'root ::= [A-Z] [^\\n?]+ "?"'
QUESTION_TOKENS = 48
# With a weaker prompt the base model writes no question of itself, and rambles.
WEAK_QUESTION = (
    'root ::= opening (" " word){2,24} "?"\n'
    'opening ::= "What" | "Which" | "How" | "Why" | "When" | "Where" | "Who"\n'
    "word ::= [A-Za-z0-9'’$%-]+ [,;]?"
)
WEAK_TOKENS = 120
DRAWS = 2
LEAST_LOG_ODDS = 0.0  # more likely good than not


class QuestionWriter:
    """Draw with the tuned model, weakly with the model as it was.

    tuned        the model with its adapter: chat with grammar and log-probabilities
    base         the model without it, for the weak questions that the scorer learns from
    encoder      the sentence encoder
    weak_prompt  the few-shot prompt that is weakened for them
    candidates   questions drawn for a node at once, at `temperature`
    """

    def __init__(
        self,
        tuned: Caller,
        base: Caller,
        encoder: Caller,
        sentences: SentenceSplitter,
        exchange: Exchange,
        weak_prompt: Prompt,
        *,
        candidates: int = 4,
        temperature: float = 0.5,
    ) -> None:
        self._tuned = tuned
        self._base = base
        self._encoder = encoder
        self._sentences = sentences
        self._exchange = exchange
        self._weak_prompt = weak_prompt
        self._candidates = candidates
        self._temperature = temperature

    async def write(self, node: Context, pass_number: int) -> str:
        """The best candidate that may stand; "" where none may, or even it is hardly good.

        It is drawn a second time only where all words of the first were wrong.
        """
        for attempt in range(DRAWS):
            drawn = await self._draw(node, pass_number, attempt)
            standing = {c.text: c for c in drawn if not objection(c.text, node.text)}
            if standing:
                odds, text = await self._best(list(standing.values()), node)
                return text if odds >= LEAST_LOG_ODDS else ""
        return ""

    async def write_weakly(self, node: Context, weakening: Weakening) -> str:
        """One question as the weakened prompt gives it, taken as it comes."""
        seed = self._base.seed_for(node.id, "weak", weakening)
        request = Request(
            "chat",
            self._weak_prompt.weakened(weakening, seed).messages({"context": node.text}, "bare"),
            sampling=Sampling(self._temperature, max_tokens=WEAK_TOKENS),
            seed=seed,
            grammar=WEAK_QUESTION,
        )
        return await self._base.ask(request, _first_finished)

    async def _draw(self, node: Context, pass_number: int, attempt: int) -> list[Candidate]:
        request = Request(
            "chat",
            self._exchange.ask(node.text),
            sampling=Sampling(self._temperature, max_tokens=QUESTION_TOKENS),
            seed=self._tuned.seed_for(node.id, pass_number, "question", attempt),
            grammar=QUESTION,
            choices=self._candidates,
            top_logprobs=1,
        )
        return await self._tuned.ask(request, read_candidates)

    async def _best(self, candidates: list[Candidate], node: Context) -> tuple[float, str]:
        """The log-odds of the best, and its text."""
        spans = self._sentences(node.text, node.language)
        sentences = [node.text[span.start : span.end] for span in spans]
        texts = [candidate.text for candidate in candidates]
        vectors = await encode(self._encoder, [*texts, *sentences])
        asked, said = vectors[: len(texts)], vectors[len(texts) :]
        return max(zip(log_odds(candidates, node.text, asked, said), texts, strict=True))


def read_candidates(reply: Reply) -> list[Candidate]:
    """The choices of a reply, with log-probabilities where they were asked for."""
    if not reply.choices or not all(choice.tokens for choice in reply.choices):
        raise Unusable("the reply holds no candidates with log-probabilities")
    return [_candidate(choice) for choice in reply.choices]


def _candidate(choice: Choice) -> Candidate:
    return Candidate(choice.text.strip(), tuple(token.logprob for token in choice.tokens))


def _first_finished(reply: Reply) -> str:
    for choice in reply.choices:
        if choice.text.strip().endswith("?"):
            return choice.text.strip()
    raise Unusable("no question came to its end")
