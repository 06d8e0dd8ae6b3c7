"""The sections of the settings: one strict model for each stage, with every default."""

from __future__ import annotations

from math import isclose
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from augcon.records import Granularity

__all__ = [
    "EMBEDDED",
    "EMBEDDED_SPLITS",
    "HUB",
    "OF_TORCH",
    "STANDARD",
    "TORCH_KINDS",
    "AnswerSettings",
    "BudgetSettings",
    "Count",
    "ModelSettings",
    "ScorerSettings",
    "SelectionSettings",
    "Split",
    "Strict",
    "TreeSettings",
    "names_a_file",
]

EMBEDDED = "embedded"
STANDARD = "standard"  # set of principles
HUB = "hf:"  # of a file of the Hugging Face Hub
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Split = Literal["rewrite", "boundary", "assign", "semantic", "middle", "recursive"]
EMBEDDED_SPLITS = ("boundary", "semantic", "middle", "recursive")
TORCH_KINDS = ("lora", "cross-encoder")
OF_TORCH = ("base", "epochs", "learning_rate")  # settings that no other kind has a use for
MIX_ROUNDING = 0.0101  # so that three shares of 0.33 are a whole


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )


class ModelSettings(Strict):
    """Which model, where it is, and how it is spoken to."""

    name: str = Field(
        EMBEDDED,
        min_length=1,
        description="'embedded'; a GGUF file: its path or 'hf:ORG/REPO:FILE'; "
        "or the server's model name",
    )
    base_urls: tuple[str, ...] = Field(
        (), description="OpenAI-compatible servers of this model; the load is shared"
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="environment variable with the key")
    endpoint: Literal["chat", "completion"] = Field(
        "chat", description="'completion' for a base model without a chat template"
    )
    structure: Literal["auto", "schema", "marked"] = Field(
        "auto", description="how replies are structured; auto: a JSON schema if the server takes it"
    )
    embeddings: str = Field(
        "auto", description="model name for /embeddings; auto: the model itself; off: none"
    )
    max_tokens: Count = Field(2048, description="longest reply, in tokens")
    tries: Count = Field(4, description="how often one item is asked when replies are unusable")
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None,
        description="most calls in flight at one server, which is found out below it; if not set, "
        "256 at a server, one a core at the embedded model, what the memory holds at a GGUF file",
    )
    min_concurrency: Count = Field(1, description="never fewer calls in flight at one server")
    timeout: float = Field(600.0, gt=0, le=86_400, description="seconds for one whole reply")
    read_timeout: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="seconds without a byte; replies come whole, so more than the slowest takes",
    )
    patience: float = Field(
        300.0, ge=0, description="seconds without any answer before the run stops"
    )
    price_per_million_prompt_tokens: float | None = Field(None, ge=0, description="for the cost")
    price_per_million_completion_tokens: float | None = Field(None, ge=0, description="the same")

    @property
    def kind(self) -> Literal["embedded", "file", "server"]:
        """Where the model runs: it comes along, it is a GGUF file for this machine, or neither."""
        if self.name == EMBEDDED:
            return "embedded"
        local = self.name.startswith(HUB) or self.name.lower().endswith(".gguf")
        return "file" if local and not self.base_urls else "server"

    @property
    def prices(self) -> tuple[float, float] | None:
        """Per million prompt tokens and per million completion tokens, where both are set."""
        prompt = self.price_per_million_prompt_tokens
        completion = self.price_per_million_completion_tokens
        return None if prompt is None or completion is None else (prompt, completion)

    @field_validator("base_urls")
    @classmethod
    def _plain_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is not an http(s) URL such as http://localhost:8000/v1")
            if "@" in parts.netloc:
                raise ValueError("a base URL must hold no name or password; use the key's variable")
        return urls

    @model_validator(mode="after")
    def _has_a_server(self) -> ModelSettings:
        if self.kind == "server" and not self.base_urls:
            raise ValueError(
                f"model {self.name!r} needs a server: give --base-url, "
                "or the path of a GGUF file to run here"
            )
        if self.kind == "file" and self.embeddings not in ("auto", "off"):
            raise ValueError("a GGUF file gives its own embeddings: set 'auto' or 'off'")
        if self.name == EMBEDDED and self.base_urls:
            raise ValueError(
                "the embedded model runs here, at no server: leave out --base-url, or give --model "
                "the name of the server's model"
            )
        if self.concurrency is not None and self.min_concurrency > self.concurrency:
            raise ValueError(
                f"min_concurrency ({self.min_concurrency}) must not be above "
                f"concurrency ({self.concurrency})"
            )
        return self


class TreeSettings(Strict):
    """Stage 1, the Context-Split-Tree. Lengths in units (one CJK character or one word)."""

    max_units: Count = Field(500, description="l: the longest root context")
    min_units: Count = Field(20, description="λ: shorter contexts are not asked about")
    temperature: Temperature | None = Field(
        None, description="of questions; by default 0.85, and the embedded model's own"
    )
    max_passes: Count = Field(8, description="passes over one root at most")
    child_precision: Share = Field(0.7, description="least ROUGE-L precision of a part")
    split: Literal["auto", Split] = Field(
        "auto",
        description="how a context is divided: rewrite, boundary, assign, semantic, middle or "
        "recursive; auto: the embedded model's boundary, else rewrite",
    )
    decontextualise: bool = Field(
        False,
        description="mend the first sentence of a part where it refers to what was cut off",
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> TreeSettings:
        if self.min_units >= self.max_units:
            raise ValueError(
                f"min_units (λ = {self.min_units}) must be below max_units (l = {self.max_units})"
            )
        return self


class ScorerSettings(Strict):
    """Stage 2, the scorer that ranks the questions."""

    kind: Literal["auto", "linear", "lora", "cross-encoder", "judge", "heuristic", "random"] = (
        Field(
            "auto",
            description="linear: a head on the base model's embeddings; lora, cross-encoder: "
            "trained with torch; judge: the model is asked; auto: linear where it can be fitted "
            "and is worth it, else heuristic",
        )
    )
    folder: Path | None = Field(
        None, description="a saved scorer, as OUT/scorer of another run, in place of fitting one"
    )
    base: str | None = Field(
        None,
        min_length=1,
        description="of lora and cross-encoder: the model to train, a folder or a name on the "
        "Hugging Face Hub; by default the embedded model's own",
    )
    epochs: Count | None = Field(
        None, description="of lora and cross-encoder: at most so many; they stop early"
    )
    learning_rate: float | None = Field(None, gt=0, description="of lora and cross-encoder")
    pairs: Count = Field(500, description="contrast pairs of each kind, as far as the corpus goes")
    negatives: Literal["both", "weakened", "spoilt"] = Field(
        "both",
        description="worse questions to learn from: the paper's, from weakened prompts; the "
        "pilot's own, spoilt without a call; or both",
    )
    pilot_share: Share = Field(
        1.0, description="share of the root contexts that the pilot may draw from"
    )
    held_out: float = Field(0.2, gt=0, lt=1, description="share of pilot roots kept for testing")

    @model_validator(mode="after")
    def _trains_what_is_said(self) -> ScorerSettings:
        said = [name for name in OF_TORCH if getattr(self, name) is not None]
        if said and self.kind not in TORCH_KINDS:
            told = " and ".join(f"scorer.{name}" for name in said)
            raise ValueError(
                f"{told}: only for scorer.kind = {' or '.join(map(repr, TORCH_KINDS))}, and it is "
                f"{self.kind!r}; choose one of these, or leave it out"
            )
        return self


class MixSettings(Strict):
    """The shares of the pairs by granularity, all three or none; without, as the questions fall."""

    macro: float | None = Field(None, ge=0, le=1, description="about half of a root or more")
    concept: float | None = Field(None, ge=0, le=1, description="about one notion or part of it")
    detail: float | None = Field(None, ge=0, le=1, description="about a single fact")

    @model_validator(mode="after")
    def _whole(self) -> MixSettings:
        given = {kind.value: getattr(self, kind) for kind in Granularity}
        missing = [name for name, share in given.items() if share is None]
        if missing and len(missing) < len(given):
            raise ValueError(f"a mix needs all three shares; {' and '.join(missing)} not given")
        total = sum(share or 0.0 for share in given.values())
        if not missing and not isclose(total, 1, abs_tol=MIX_ROUNDING):
            told = " + ".join(f"{name} {share:g}" for name, share in given.items())
            raise ValueError(f"the shares must sum to 1; {told} is {total:g}")
        return self

    @property
    def shares(self) -> dict[Granularity, float]:
        """Summing to 1; empty where no mix is asked for."""
        given = {kind: getattr(self, kind) or 0.0 for kind in Granularity}
        total = sum(given.values())
        return {kind: share / total for kind, share in given.items()} if total else {}


class SelectionSettings(Strict):
    """Stage 2, quota and diversity."""

    units_per_pair: float = Field(35.0, gt=0, description="one pair for so many units of a root")
    overgenerate: float = Field(1.15, ge=1, description="questions before choosing, × quota")
    similarity: Share = Field(0.7, description="drop at this ROUGE-L precision to a kept question")
    across: Literal["root", "corpus"] = Field(
        "root",
        description="where no question may repeat another: in its root context; or, once all are "
        "answered, in the whole dataset too",
    )
    min_question_units: Count = Field(3, description="shorter questions are dropped")
    granularity: Literal["span", "model"] = Field(
        "span",
        description="macro, concept or detail: by how much of its root a question is about, or "
        "as the model says, one short call for each question",
    )
    mix: MixSettings = Field(default_factory=MixSettings)


class AnswerSettings(Strict):
    """Stage 3, high-fidelity responses."""

    temperature: Temperature = Field(0.2, description="of answers")
    samples: Count = Field(
        1,
        description="answers to each question, of which the one that agrees most with the others "
        "is taken; the rest become drafts, for `augcon export --format dpo`",
    )
    sample_temperature: float = Field(
        0.8, gt=0, le=2, description="of all of these but the first, which has the one above"
    )
    embedded: Literal["window", "written"] = Field(
        "window",
        description="how the embedded model answers: the closest sentences of the context, "
        "word for word, or in its own words where these are the context's",
    )
    verify: Literal["off", "lexical", "model"] = Field(
        "lexical",
        description="whether the context supports an answer: by its words, which costs nothing, "
        "or then by the model, sentence by sentence",
    )
    mention_source: bool = Field(
        False, description="let answers speak of 'the passage', for principles that ask for it"
    )
    unknown_share: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="most of the pairs that may say honestly that what is asked is not known: of "
        "questions that no context answers",
    )
    principles: str = Field(
        STANDARD,
        min_length=1,
        description="how answers are written: the name of a set (`augcon init` writes them), or a "
        "file of yours",
    )
    language: Literal["context", "en", "zh"] = Field(
        "context", description="of answers: that of their context, or English or Chinese"
    )
    examples: Path | None = Field(
        None,
        description="JSONL of annotated context, question, answer in place of those of the set",
    )
    choose: Literal["search", "first", "nearest", "bootstrapped", "none"] = Field(
        "search",
        description="which few-shot examples: search (the best set found), first, nearest (to each "
        "question, by embedding), bootstrapped (the model's own verified answers) or none",
    )
    shots: int = Field(4, ge=0, description="few-shot examples in the answering prompt")
    search_trials: int = Field(8, ge=2, description="example sets tried; the worse are abandoned")
    search_budget: Count = Field(
        48, description="annotated questions answered and graded at most, in each language"
    )

    @property
    def shown(self) -> int:
        """How many examples the answering prompt shows at most."""
        return 0 if self.choose == "none" else self.shots

    @property
    def by_meaning(self) -> bool:
        """Whether each question has examples of its own, found by comparing meanings."""
        return self.choose == "nearest" and self.shown > 0

    @model_validator(mode="after")
    def _tries_every_set(self) -> AnswerSettings:
        if self.choose == "search" and self.search_budget < self.search_trials:
            raise ValueError(
                f"search_budget ({self.search_budget}) must not be below search_trials "
                f"({self.search_trials}): every set answers one question at least"
            )
        return self

    @field_validator("principles", mode="before")
    @classmethod
    def _as_text(cls, said: object) -> object:
        return fspath(said) if isinstance(said, PathLike) else said


def names_a_file(said: str) -> bool:
    """Whether these principles are a file of the user's, and no set by its name."""
    return "/" in said or "\\" in said or said.lower().endswith((".md", ".txt"))


class BudgetSettings(Strict):
    """What a run may spend over all its starts; it stops before it passes any of these."""

    calls: Count | None = Field(None, description="replies asked for")
    tokens: Count | None = Field(None, description="of prompts and replies together")
    cost: float | None = Field(None, gt=0, description="in the currency of the prices")
