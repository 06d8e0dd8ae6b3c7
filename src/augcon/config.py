"""Settings: a section for each stage, read from TOML, snapshotted into the run's folder.

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
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from augcon.characters import escaped
from augcon.errors import SettingsError
from augcon.sections import (
    EMBEDDED_SPLITS,
    HUB,
    AnswerSettings,
    BudgetSettings,
    Count,
    ModelSettings,
    ScorerSettings,
    SelectionSettings,
    Split,
    Strict,
    TreeSettings,
    names_a_file,
)

__all__ = ["BEFORE", "Settings", "load_settings", "read_budget", "read_prices"]

TIMES = {"": 1, "k": 1_000, "M": 1_000_000}
BUDGET = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<times>[kM]?)\s*(?P<unit>tokens|calls)?")


class Settings(Strict):
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
    def _can_sample(self) -> Settings:
        if self.model.kind == "embedded" and self.answers.samples > 1:
            raise ValueError(
                "the embedded model answers with sentences of the context, and has no second "
                "answer: leave answers.samples at 1, or name another model"
            )
        return self

    @model_validator(mode="after")
    def _can_say_what_is_not_known(self) -> Settings:
        if self.model.kind == "embedded" and self.answers.unknown_share:
            raise ValueError(
                "the embedded model is too small to tell what is not known: leave "
                "answers.unknown_share at 0, or name another model"
            )
        return self

    @model_validator(mode="after")
    def _can_write_it(self) -> Settings:
        if self.model.kind == "embedded" and self.answers.language == "zh":
            raise ValueError(
                "answers.language = 'zh': the embedded model writes English only; give --model"
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
    def _can_fit(self) -> Settings:
        needs, here = self.scorer.kind == "linear", self.model.kind == "embedded"
        if needs and not here and self.model.embeddings == "off":
            raise ValueError(
                'scorer.kind = "linear" needs embeddings: model.embeddings is off; leave '
                'scorer.kind at "auto" to go without'
            )
        return self

    @model_validator(mode="after")
    def _can_find_nearest(self) -> Settings:
        nearest, off = self.answers.choose == "nearest", self.model.embeddings == "off"
        if nearest and off and self.model.kind != "embedded":
            raise ValueError(
                'answers.choose = "nearest" needs embeddings: model.embeddings is off; choose '
                '"search" or "first" to go without'
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
        # How large it is only decides which of the replies are kept when the dataset is written.
        told["answers.unknown_share"] = "above 0" if self.answers.unknown_share else 0
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

# What a version that did not have the setting did. An unfinished run of such a version goes on
# where this is what the settings say now. Others are missing on purpose, because no value of theirs
# means what was done before they came: answers.verify and answers.mention_source (answers were
# checked otherwise), scorer.negatives (the head learned from other features), answers.choose and
# answers.search_budget (the search abandoned no set, and graded each on items of its own).
BEFORE: Mapping[str, object] = {
    "tree.split": "auto",
    "tree.decontextualise": False,
    "scorer.base": None,
    "scorer.epochs": None,
    "scorer.learning_rate": None,
    "selection.granularity": "span",
    "selection.mix.macro": None,
    "selection.mix.concept": None,
    "selection.mix.detail": None,
    "answers.embedded": "window",
    "answers.samples": 1,
    "answers.sample_temperature": 0.8,
    "answers.unknown_share": 0,
    "answers.language": "context",
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
    settings = _anchored(settings, Path() if path is None else path.parent, said)
    for key, text in _texts(settings):
        if escaped(text) != text:
            raise SettingsError(f"{where}: {key}: {escaped(text)} is not UTF-8 text; rename it")
    return settings


def _texts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every text in the settings, with the dotted name of where it stands."""
    for key, value in _flat(settings.model_dump(mode="json")):
        several = value if isinstance(value, list) else [value]
        yield from ((key, text) for text in several if isinstance(text, str))


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


def read_prices(snapshot: Path) -> tuple[float, float] | None:
    """The prices that a run was told. Nothing else of its snapshot is looked at: an earlier version
    may have had other settings. Raises SettingsError where it cannot be read."""
    told = _read_toml(snapshot).get("model", {})
    kinds = ("prompt", "completion")
    prices = [told.get(f"price_per_million_{kind}_tokens") for kind in kinds]
    known = [float(price) for price in prices if isinstance(price, int | float)]
    return (known[0], known[1]) if len(known) == len(kinds) else None


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

    principles = settings.answers.principles
    if names_a_file(principles):
        principles = str(anchor("answers.principles", Path(principles)))
    answers = settings.answers.model_copy(
        update={
            "principles": principles,
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
            near = difflib.get_close_matches(key, _alike(key), n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield f"unknown setting {key!r}{meant}"
        else:
            said = problem["msg"].removeprefix("Value error, ")
            yield f"{key or 'settings'}: {said}"


def _alike(key: str) -> list[str]:
    """What may be meant by it: a setting, or a section as deep as it."""
    known = known_keys()
    sections = {".".join(name.split(".")[: key.count(".") + 1]) for name in known}
    return [*known, *sorted(sections.difference(known))]


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
