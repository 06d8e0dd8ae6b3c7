"""Settings: one strict model per stage, read from TOML, snapshotted into the run's folder.

A misspelt key or an impossible value is an error with the key's full name and, where one is
near, the key that was probably meant. Settings that change what a run produces are its identity;
the rest (where the server is, how many calls at once, how far to go today) may change between
two starts of the same run.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from augcon.errors import SettingsError
from augcon.records import Granularity

__all__ = ["EMBEDDED", "HUB", "Settings", "Split", "load_settings", "read_budget"]

EMBEDDED = "embedded"
HUB = "hf:"  # of a file of the Hugging Face Hub
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Split = Literal["rewrite", "boundary", "assign", "semantic", "middle", "recursive"]
EMBEDDED_SPLITS = ("boundary", "semantic", "middle", "recursive")
MIX_ROUNDING = 0.0101  # so that three shares of 0.33 are a whole


TIMES = {"": 1, "k": 1_000, "M": 1_000_000}
BUDGET = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<times>[kM]?)\s*(?P<unit>tokens|calls)?")


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )


class ModelSettings(_Strict):
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
            raise ValueError("a server needs its model's name: give --model")
        if self.concurrency is not None and self.min_concurrency > self.concurrency:
            raise ValueError(
                f"min_concurrency ({self.min_concurrency}) must not be above "
                f"concurrency ({self.concurrency})"
            )
        return self


class TreeSettings(_Strict):
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


class ScorerSettings(_Strict):
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


class MixSettings(_Strict):
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


class SelectionSettings(_Strict):
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


class AnswerSettings(_Strict):
    """Stage 3, high-fidelity responses."""

    temperature: Temperature = Field(0.2, description="of answers")
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
    principles: Path | None = Field(None, description="a file of principles in place of ours")
    examples: Path | None = Field(None, description="JSONL of annotated context, question, answer")
    shots: Count = Field(4, description="few-shot examples in the answering prompt")
    search_trials: int = Field(6, ge=0, description="example sets tried; 0 takes the first ones")
    search_items: Count = Field(4, description="annotated questions that each set answers")


class BudgetSettings(_Strict):
    """What a run may spend over all its starts; it stops before it passes any of these."""

    calls: Count | None = Field(None, description="replies asked for")
    tokens: Count | None = Field(None, description="of prompts and replies together")
    cost: float | None = Field(None, gt=0, description="in the currency of the prices")


class Settings(_Strict):
    """Everything a run is told."""

    seed: int = Field(0, ge=0, description="every random choice follows from it")
    limit: Count | None = Field(None, description="only the first so many root contexts")
    prompts: Path | None = Field(None, description="a folder of prompt files in place of ours")
    model: ModelSettings = Field(default_factory=ModelSettings)
    tree: TreeSettings = Field(default_factory=TreeSettings)
    scorer: ScorerSettings = Field(default_factory=ScorerSettings)
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    answers: AnswerSettings = Field(default_factory=AnswerSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)

    @model_validator(mode="after")
    def _can_classify(self) -> Settings:
        if self.selection.granularity == "model" and self.model.kind == "embedded":
            raise ValueError(
                "selection.granularity = 'model' is not for the embedded model, which is too small "
                "to tell: leave it at 'span', or give --model"
            )
        return self

    @model_validator(mode="after")
    def _has_a_judge(self) -> Settings:
        if self.model.kind == "embedded" and self.answers.verify == "model":
            raise ValueError(
                "the embedded model is too small to verify answers: set answers.verify to "
                "'lexical', or name another model"
            )
        return self

    @model_validator(mode="after")
    def _has_prices(self) -> Settings:
        if self.budget.cost is not None and self.model.prices is None:
            raise ValueError(
                "a budget in money needs prices: set model.price_per_million_prompt_tokens and "
                "model.price_per_million_completion_tokens, or give a budget in tokens or calls"
            )
        return self

    @model_validator(mode="after")
    def _can_split(self) -> Settings:
        split, here = self.split, self.model.kind == "embedded"
        if here and split not in EMBEDDED_SPLITS:
            raise ValueError(
                f"tree.split = {split!r} asks more than the embedded model can write: with it, "
                f"choose {', '.join(EMBEDDED_SPLITS)}; or give --model and --base-url"
            )
        if split == "semantic" and not here and self.model.embeddings == "off":
            raise ValueError('tree.split = "semantic" needs embeddings: model.embeddings is off')
        if self.tree.decontextualise and here:
            raise ValueError(
                "tree.decontextualise asks more than the embedded model can write: "
                "leave it out, or give --model and --base-url"
            )
        if self.tree.decontextualise and split == "rewrite":
            raise ValueError(
                "tree.decontextualise mends verbatim parts, and those of tree.split = 'rewrite' "
                "are written to stand alone: choose another tree.split, such as 'boundary'"
            )
        return self

    @property
    def split(self) -> Split:
        """The strategy by which contexts are divided, `auto` resolved."""
        if self.tree.split != "auto":
            return self.tree.split
        return "boundary" if self.model.kind == "embedded" else "rewrite"

    def to_toml(self) -> str:
        """The snapshot that a run keeps. It never holds a key: there is no setting for one."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def identity(self) -> dict[str, object]:
        """Dotted key → value of every setting that changes what the run produces."""
        told = {
            key: value
            for key, value in _flat(self.model_dump(mode="json"))
            if key not in OPERATIONAL
        }
        if self.model.kind == "file":  # where it lies may change; what it holds is checked
            told["model.name"] = Path(self.model.name).name
        if self.scorer.base is not None and Path(self.scorer.base).is_absolute():
            told["scorer.base"] = Path(self.scorer.base).name
        return told


OPERATIONAL = {
    "limit",
    "prompts",  # what these files hold goes into the identity, not where they lie
    "answers.principles",
    "answers.examples",
    "scorer.folder",
    "model.base_urls",
    "model.api_key_env",
    "model.concurrency",
    "model.min_concurrency",
    "model.timeout",
    "model.read_timeout",
    "model.patience",
    "budget.calls",
    "budget.tokens",
    "budget.cost",
    "selection.across",  # decided anew whenever the dataset is written, and nothing asked for it
    "model.price_per_million_prompt_tokens",
    "model.price_per_million_completion_tokens",
}


def load_settings(
    path: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Settings from a TOML file, changed by dotted overrides such as {"model.name": "m"}.

    Relative paths in the file are relative to the file, others to the working folder; they are
    made absolute, so that a snapshot means the same anywhere. Raises SettingsError with one line.
    """
    raw = {} if path is None else _read_toml(path)
    where = "settings" if path is None else str(path)
    said = overrides or {}
    for key, value in said.items():
        _put(raw, key, value)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(f"{where}: {'; '.join(_problems(error))}") from error
    return _anchored(settings, Path() if path is None else path.parent, said)


def read_budget(said: str) -> dict[str, float]:
    """A budget as it is said on the command line, as settings by dotted name.

    "2.50" is money in the currency of the prices; "300k tokens" and "1000 calls" need none.
    """
    found = BUDGET.fullmatch(said.strip())
    wrong = SettingsError(
        f"--budget {said!r}: give money as 2.50, or a whole number of tokens or calls, "
        "as in '300k tokens' or '1000 calls'"
    )
    if found is None:
        raise wrong
    number = Decimal(found["number"]) * TIMES[found["times"]]
    if found["unit"] is None:
        return {"budget.cost": float(number)}
    if number % 1:
        raise wrong
    return {f"budget.{found['unit']}": int(number)}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such settings file; `augcon init` writes one") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: not a settings file: {error}") from error


def _put(raw: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise SettingsError(f"settings: {section!r} must be a section")
    raw[last] = value


def _anchored(settings: Settings, folder: Path, said: Mapping[str, object]) -> Settings:
    def anchor(key: str, path: Path | None) -> Path | None:
        return path and ((Path() if key in said else folder) / path).absolute()

    answers = settings.answers.model_copy(
        update={
            "principles": anchor("answers.principles", settings.answers.principles),
            "examples": anchor("answers.examples", settings.answers.examples),
        }
    )
    base = settings.scorer.base
    if base is not None and (found := anchor("scorer.base", Path(base))) and found.is_dir():
        base = str(found)
    scorer = settings.scorer.model_copy(
        update={"folder": anchor("scorer.folder", settings.scorer.folder), "base": base}
    )
    prompts = anchor("prompts", settings.prompts)
    model = settings.model
    if model.kind == "file" and not model.name.startswith(HUB):
        path = anchor("model.name", Path(os.path.expanduser(model.name)))  # noqa: PTH111 - never raises
        model = model.model_copy(update={"name": str(path)})
    return settings.model_copy(
        update={"prompts": prompts, "answers": answers, "model": model, "scorer": scorer}
    )


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield f"unknown setting {key!r}{meant}"
        else:
            said = problem["msg"].removeprefix("Value error, ")
            yield f"{key or 'settings'}: {said}"


def known_keys() -> list[str]:
    """The dotted name of every setting."""
    return [key for key, _ in _flat(_defaults())]


def _defaults() -> dict[str, Any]:
    return Settings().model_dump(mode="json")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
