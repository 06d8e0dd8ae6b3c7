"""The accounting: for every stage, in = kept + rejected (by reason) + failed (+ pending).

What goes into a stage is counted from another place than what came of it (the questions that
entered are the nodes that gave one, and so on), so that an item which vanished between two
stages shows as books that do not balance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from augcon.llm.budget import Spent
from augcon.records import NOT_ASKED, Granularity, State
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal, Totals
from augcon.store.outlook import Finished, Forecast, Outlook

__all__ = ["Books", "StageBooks", "read_books"]

OUTCOMES = {
    "documents": "SELECT state, reason, COUNT(*) AS n FROM documents GROUP BY 1, 2",
    "contexts": "SELECT state, reason, COUNT(*) AS n FROM contexts GROUP BY 1, 2",
    "nodes": "SELECT state, reason, COUNT(*) AS n FROM nodes GROUP BY 1, 2",
    "splits": "SELECT split_state AS state, split_reason AS reason, COUNT(*) AS n FROM nodes "
    "WHERE split_state != 'none' GROUP BY 1, 2",
    "questions": "SELECT state, reason, COUNT(*) AS n FROM questions GROUP BY 1, 2",
    "answers": "SELECT state, reason, COUNT(*) AS n FROM answers GROUP BY 1, 2",
    # An answer that was asked for is the question's, or stands beside it.
    "drafts": "SELECT state, reason, COUNT(*) AS n FROM (SELECT state, reason FROM answers "
    "UNION ALL SELECT state, reason FROM drafts) GROUP BY 1, 2",
}


GRANULARITY = """
    SELECT q.granularity, COUNT(*) AS asked, COALESCE(SUM(q.state = 'kept'), 0) AS kept,
           COALESCE(SUM(a.state = 'kept'), 0) AS answered
    FROM questions q
    LEFT JOIN answers a ON a.root_id = q.root_id AND a.question_id = q.id AND q.state = 'kept'
    GROUP BY 1
"""
UNKNOWN = "SELECT COUNT(*) FROM answers WHERE state = 'kept' AND reason = 'unknown'"
UNFITTED = {
    "heuristic": "the fallback ranker, a lexical heuristic",
    "judge": "the model's own judgement",
    "random": "a random draw",
}
CHANCE = 0.5


@dataclass(slots=True)
class StageBooks:
    """One stage's line in the books."""

    entered: int
    kept: int = 0
    failed: int = 0
    pending: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        gone = self.kept + self.failed + self.pending + sum(self.rejected.values())
        return self.entered == gone

    def as_json(self) -> dict[str, object]:
        return {
            "in": self.entered,
            "kept": self.kept,
            "rejected": self.rejected,
            "failed": self.failed,
            "failures": self.failures,
            "pending": self.pending,
        }


@dataclass(frozen=True, slots=True)
class Calls:
    """What was asked of models, over all starts of the run, and the room that it takes.

    journal_bytes   of the replies, as they are stored
    database_bytes  of everything
    """

    calls: int
    unusable: int
    calls_replayed: int
    prompt_tokens: int
    completion_tokens: int
    journal_bytes: int
    database_bytes: int


@dataclass(frozen=True, slots=True)
class KindBooks:
    """What became of the questions of one granularity.

    target  the share of the pairs that the settings ask for; None where they ask for no mix
    """

    asked: int = 0
    kept: int = 0
    answered: int = 0
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """A run's books. `pairs` is the number of question-answer pairs.

    granularity  what became of the questions of each kind, the coarsest first
    ranking   what ranked the questions, and how well it did on contexts it was not fitted on
    warning   that the fitted scorer is no better than chance, or that the chosen one could not be
              fitted; empty where all is well
    finished  what came of the contexts that are finished
    forecast  what was predicted against what was made; None in a folder that holds no forecast
    unknown   how many of the pairs say that something is not known
    models    under which names the servers answered, and how often
    asked     the names of the models that were asked
    doubted   how many annotated examples of the user's own have something wrong with them
    """

    stages: Mapping[str, StageBooks]
    granularity: Mapping[Granularity, KindBooks]
    calls: Calls
    seconds: float
    cost: float | None
    state: str
    ranking: str
    warning: str
    finished: Finished
    forecast: Outlook | None
    unknown: int
    models: Mapping[str, int]
    asked: frozenset[str]
    doubted: int

    @property
    def others(self) -> list[str]:
        """The names under which servers answered although another model was asked."""
        return sorted(name for name in self.models if name and name not in self.asked)

    @property
    def pairs(self) -> int:
        return self.stages["answers"].kept

    @property
    def lines(self) -> dict[str, StageBooks]:
        """The stages that tell a reader something: where each question was given one answer, there
        is nothing to tell of drafts."""
        drafts, answers = self.stages["drafts"], self.stages["answers"]
        left_out = "drafts" if drafts.as_json() == answers.as_json() else ""
        return {name: stage for name, stage in self.stages.items() if name != left_out}

    @property
    def balanced(self) -> bool:
        return all(stage.balanced for stage in self.stages.values())

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state,
            "stages": {name: stage.as_json() for name, stage in self.stages.items()},
            "pairs": self.pairs,
            "unknown": self.unknown,
            "granularity": {kind: asdict(found) for kind, found in self.granularity.items()},
            **asdict(self.calls),
            "cost": self.cost,
            "ranking": self.ranking,
            "warning": self.warning,
            "doubted_examples": self.doubted,
            "models": dict(self.models),
            "seconds": round(self.seconds, 1),
            "balanced": self.balanced,
            **({} if self.forecast is None else {"forecast": self.forecast.as_json()}),
        }


def read_books(database: Database, prices: tuple[float, float] | None = None) -> Books:
    """Count everything anew from the rows.

    prices: per million prompt tokens and per million completion tokens, in any currency.
    """
    entered = {
        "documents": _number(
            database, "SELECT COALESCE(MAX(value), 0) FROM meta WHERE key = 'documents'"
        ),
        "contexts": _number(database, "SELECT COALESCE(SUM(roots), 0) FROM documents"),
        # A pass visits the root, and both parts of every split that was kept.
        "nodes": _number(
            database,
            "SELECT (SELECT COALESCE(SUM(passes), 0) FROM contexts) + "
            "2 * (SELECT COUNT(*) FROM nodes WHERE split_state = 'kept')",
        ),
        "splits": 0,
        "questions": 0,
        "answers": 0,
        "drafts": _number(database, "SELECT COALESCE(SUM(asked), 0) FROM answers"),
    }
    stages = {}
    for name, sql in OUTCOMES.items():
        stages[name] = _outcomes(database, sql, entered[name])
    stages["splits"].entered = stages["nodes"].entered - _never_split(stages["nodes"])
    stages["questions"].entered = stages["nodes"].kept
    stages["answers"].entered = stages["questions"].kept
    scorer = _scorer_step(database)
    if "contrasts" in scorer:
        stages["contrasts"] = _contrasts(scorer["contrasts"])
    totals = SqliteJournal(database).totals()
    calls = _calls(database, totals)
    spent = Spent(calls.calls, calls.prompt_tokens, calls.completion_tokens)
    cost = None if prices is None else spent.cost(prices)
    seconds, state = _fact(database, "seconds"), _state(database, stages)
    finished = _finished(database, stages)
    forecast = None
    if (known := _forecast(database)) is not None:
        vectors = Spent(totals.embeddings, totals.embedding_tokens)
        texts, over = spent - vectors, state == "finished"
        forecast = Outlook.of(known, finished, texts, vectors, prices, over)
    models, asked = (json.loads(_text(database, key) or "{}") for key in ("models", "asked"))
    return Books(
        *(stages, _granularity(database), calls, seconds, cost, state),
        *(_ranking(scorer), scorer.get("warning", ""), finished, forecast),
        _number(database, UNKNOWN),
        *(models, frozenset(asked), _doubted(database)),
    )


def _outcomes(database: Database, sql: str, entered: int) -> StageBooks:
    stage = StageBooks(entered)
    for row in database.rows(sql):
        match State(row["state"]):
            case State.KEPT:
                stage.kept += row["n"]
            case State.PENDING:
                stage.pending += row["n"]
            case State.REJECTED:
                stage.rejected[row["reason"]] = row["n"]
            case State.FAILED:
                stage.failed += row["n"]
                stage.failures[row["reason"]] = row["n"]
            case State.NONE:
                raise AssertionError("a row that was never in a stage is not in its books")
    return stage


def _granularity(database: Database) -> dict[Granularity, KindBooks]:
    settings = json.loads(_text(database, "identity") or "{}")
    found = {row["granularity"]: row for row in database.rows(GRANULARITY)}
    books = {}
    for kind in Granularity:
        row, target = found.get(kind), settings.get(f"selection.mix.{kind}")
        asked, kept, answered = (0, 0, 0) if row is None else tuple(row)[1:]
        books[kind] = KindBooks(asked, kept, answered, target)
    return books


def _scorer_step(database: Database) -> dict[str, Any]:
    """What the step that fits the scorer wrote down; empty before it is done."""
    row = database.row("SELECT output FROM steps WHERE name = 'scorer' ORDER BY rowid DESC LIMIT 1")
    found: dict[str, Any] = json.loads(row["output"]) if row is not None else {}
    return found


def _doubted(database: Database) -> int:
    """Annotated examples with a finding, by the steps that looked at them."""
    rows = database.rows("SELECT output FROM steps WHERE name LIKE 'audit-%'")
    return len({each["id"] for row in rows for each in json.loads(row["output"])["found"]})


def _contrasts(books: dict[str, Any]) -> StageBooks:
    """The scorer's training pairs."""
    failures = {"unusable_reply": books["failed"]} if books["failed"] else {}
    return StageBooks(
        books["in"], books["kept"], books["failed"], 0, dict(books["rejected"]), failures
    )


def _ranking(scorer: dict[str, Any]) -> str:
    if not scorer:
        return ""
    if scorer["ranker"] in UNFITTED:
        return UNFITTED[scorer["ranker"]] + (f" ({scorer['why']})" if scorer["why"] else "")
    saved = "a saved scorer" if "saved" in scorer else "a scorer"
    if "held_out" not in scorer:
        return saved
    told = scorer["held_out"]["all"]
    chance = ", no better than chance" if told["interval"][0] <= CHANCE else ""
    return f"{saved} that ranks {told['right']} of {told['pairs']} held-out pairs right{chance}"


def _never_split(nodes: StageBooks) -> int:
    return nodes.failed + _left_alone(nodes)


def _left_alone(nodes: StageBooks) -> int:
    return sum(nodes.rejected.get(reason, 0) for reason in NOT_ASKED)


def _calls(database: Database, totals: Totals) -> Calls:
    return Calls(
        calls=totals.calls,
        unusable=totals.unusable,
        calls_replayed=int(_fact(database, "calls_replayed")),
        prompt_tokens=totals.prompt_tokens,
        completion_tokens=totals.completion_tokens,
        journal_bytes=totals.journal_bytes,
        database_bytes=database.size(),
    )


def _finished(database: Database, stages: Mapping[str, StageBooks]) -> Finished:
    nodes, answers = stages["nodes"], stages["answers"]
    counted = "SELECT {} FROM contexts WHERE state IN ('kept', 'failed')"
    return Finished(
        contexts=_number(database, counted.format("COUNT(*)")),
        units=_number(database, counted.format("COALESCE(SUM(units), 0)")),
        asked=nodes.entered - _left_alone(nodes) + answers.entered,
        pairs=answers.kept,
    )


def _forecast(database: Database) -> Forecast | None:
    row = database.row("SELECT value FROM meta WHERE key = 'forecast'")
    return None if row is None else Forecast.from_json(row["value"])


def _state(database: Database, stages: Mapping[str, StageBooks]) -> str:
    done = database.row("SELECT 1 FROM meta WHERE key = 'finished'") is not None
    return "finished" if done and not stages["contexts"].pending else "unfinished"


def _fact(database: Database, key: str) -> float:
    return float(_text(database, key) or 0.0)


def _text(database: Database, key: str) -> str:
    row = database.row("SELECT value FROM meta WHERE key = ?", (key,))
    return "" if row is None else str(row["value"])


def _number(database: Database, sql: str) -> int:
    row = database.row(sql)
    return 0 if row is None else int(row[0])
