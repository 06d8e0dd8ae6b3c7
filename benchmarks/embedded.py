"""How good the embedded model's questions and answers are, read one by one.

    python -m benchmarks.embedded write FOLDER [--texts test|development]
    python -m benchmarks.embedded tally FOLDER
    python -m benchmarks.embedded score FOLDER --run RUN

`write` draws nodes with a fixed seed (60 from the SQuAD articles of the shared data, where that is
there, and 60 from held-out passages of `adapter/`), asks and answers in every way that is compared,
and writes `pairs.jsonl`, in an order and under names that do not tell which way made which pair,
and `key.jsonl`, which does. Whoever judges reads `pairs.jsonl` and docs/rubric.md and writes a line
for each pair to `labels*.jsonl`: {"id", "grammatical", "standalone", "answerable", "whole",
"correct", "usable"}, each but the first 0 or 1. `tally` puts both together: shares with Wilson's
95 % intervals, as JSON. `score` tells what the scorer of a run has learned: how often it puts a
question that was labelled good (grammatical, standalone, answerable) above one that was not (the
area under the ROC curve), beside the heuristic ranker.

Ways to ask (`question`)             Ways to answer (`answer`)
few-shot  base, 5 examples, filter,  window    the closest sentences, word for word
          likeliest of 4             written   by the tuned model
adapter   tuned, one draw, no filter verified  written where its words are the text's, else window
choosing  tuned, filter, best of 4
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapter.passages import read_passages
from sklearn.metrics import roc_auc_score

from augcon.answer.tuned import TunedResponder, unsupported
from augcon.answer.window import WindowResponder
from augcon.config import Settings
from augcon.corpus import count_units, sentence_spans
from augcon.llm.base import Request, Sampling
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, MemoryJournal, Meter
from augcon.llm.models import Models, open_models
from augcon.prompts import Exchange, Library
from augcon.records import Context, Document, Question, content_id
from augcon.scorer import HeuristicScorer, Item, LinearScorer, features
from augcon.scorer.linear import Accuracy
from augcon.store import Run
from augcon.together import together
from augcon.tree.boundary import BoundarySplitter
from augcon.tree.candidates import objection
from augcon.tree.questions import QUESTION, QUESTION_TOKENS, QuestionWriter, read_candidates

SQUAD = Path(__file__).parents[2] / "shared" / "data" / "dev" / "squad.jsonl"
SEED = 5
NODES = 60  # from each source
MIN_UNITS = 20
TEMPERATURE = 0.5
CANDIDATES = 4
ANSWERS = ("window", "written", "verified")
COMPARED = {"few-shot": ("window",), "adapter": ("verified",), "choosing": ANSWERS}
LABELS = ("grammatical", "standalone", "answerable", "whole", "correct", "usable")


def squad_texts(texts: str) -> list[str]:
    """Contexts of half of the articles: those for testing, or those that choices were tuned on."""
    if not SQUAD.exists():
        return []
    rows = [json.loads(line) for line in SQUAD.read_text("utf-8").splitlines()]
    titles = sorted({row["title"] for row in rows})
    wanted = set(titles[texts == "development" :: 2])
    return list(dict.fromkeys(row["context"] for row in rows if row["title"] in wanted))


def own_texts() -> list[str]:
    return [passage.text for passage in read_passages() if passage.held_out]


@dataclass(frozen=True, slots=True)
class Rig:
    """The embedded model, and every way to ask and to answer with it."""

    models: Models
    exchange: Exchange
    writer: QuestionWriter
    splitter: BoundarySplitter
    base: Caller
    encoder: Caller

    async def nodes(self, text: str) -> list[Context]:
        """Every node of the tree over a text that would be asked about."""
        document = Document.of("text", text, "en")
        waiting = [Context.root(document, 0, len(text), count_units(text), "en")]
        found = []
        while waiting:
            node = waiting.pop()
            if node.units >= MIN_UNITS:
                found.append(node)
                parts = await self.splitter.parts(node)
                waiting += [node.child(p, count_units(p), 0, len(p)) for p in parts]
        return found

    async def few_shot(self, node: Context) -> str:
        prompt = Library().prompt("small_question", "en")
        request = Request(
            "chat",
            prompt.messages({"context": node.text}, "bare"),
            sampling=Sampling(TEMPERATURE, max_tokens=QUESTION_TOKENS),
            seed=self.base.seed_for(node.id),
            grammar=QUESTION,
            choices=CANDIDATES,
            top_logprobs=1,
        )
        drawn = await self.base.ask(request, read_candidates)
        standing = [c for c in drawn if not objection(c.text, node.text)]
        return max(standing or drawn, key=lambda c: c.mean).text

    async def adapter(self, node: Context) -> str:
        request = Request(
            "chat",
            self.exchange.ask(node.text),
            sampling=Sampling(TEMPERATURE, max_tokens=QUESTION_TOKENS),
            seed=self.base.seed_for(node.id),
            grammar=QUESTION,
            top_logprobs=1,
        )
        return (await self.models.generator.ask(request, read_candidates))[0].text

    async def choosing(self, node: Context) -> str:
        return await self.writer.write(node, 0)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    async def remember(step: str, do: Callable[[], Awaitable[str]]) -> str:
        return await do()

    settings = Settings()
    told = (MemoryJournal(), SEED, remember, Meter(), lambda *_: None, 0, Budget())
    async with open_models(settings.model, *told) as models:
        assert models.embedder is not None
        assert models.encoder is not None
        exchange = Exchange.of(Library())
        writer = QuestionWriter(
            models.generator,
            models.embedder,
            models.encoder,
            sentence_spans,
            exchange,
            Library().prompt("small_question", "en"),
            candidates=CANDIDATES,
            temperature=TEMPERATURE,
        )
        splitter = BoundarySplitter(models.embedder, models.encoder, sentence_spans)
        yield Rig(models, exchange, writer, splitter, models.embedder, models.encoder)


async def draw_nodes(rig: Rig, texts: Sequence[str], number: int) -> list[Context]:
    """One node of each of so many texts, or more of each where there are fewer."""
    draw = random.Random(SEED)
    chosen = draw.sample(list(texts), min(number, len(texts)))
    trees = [await rig.nodes(text) for text in chosen]
    for tree in trees:
        draw.shuffle(tree)
    turn = (
        tree[n] for n in range(max(map(len, trees), default=0)) for tree in trees if n < len(tree)
    )
    return [node for node, _ in zip(turn, range(number), strict=False)]


async def write(folder: Path, texts: str) -> None:
    started = time.monotonic()
    async with rig() as made:
        nodes = [("squad", n) for n in await draw_nodes(made, squad_texts(texts), NODES)]
        if texts == "test":
            nodes += [("own", n) for n in await draw_nodes(made, own_texts(), NODES)]
        found = await together(_pairs(made, source, node) for source, node in nodes)
    rows = {row["id"]: row for pairs in found for row, _ in pairs if row is not None}
    order = sorted(rows)
    _write(folder / "pairs.jsonl", (rows[name] for name in order))
    _write(folder / "key.jsonl", (key for pairs in found for _, key in pairs))
    told = {"nodes": len(nodes), "pairs": len(rows), "seconds": round(time.monotonic() - started)}
    print(json.dumps(told))


async def _pairs(rig: Rig, source: str, node: Context) -> list[tuple[dict | None, dict]]:
    """Each pair as its judge sees it, and which way made it."""
    window = WindowResponder(rig.encoder, sentence_spans)
    tuned = TunedResponder(rig.models.generator, rig.encoder, sentence_spans, rig.exchange)
    ways = {"few-shot": rig.few_shot, "adapter": rig.adapter, "choosing": rig.choosing}
    pairs: list[tuple[dict | None, dict]] = []
    for way, ask in ways.items():
        text = await ask(node)
        if not text:  # nothing to judge; its key tells of the node
            pairs.append((None, _key(source, node, way, "", "", "")))
            continue
        question = Question.of(node, text, 0)
        closest = await window.respond(question)
        written = await tuned.write(question, closest)
        verified = closest if unsupported(written, node.text, text) else written
        said_by = dict(zip(ANSWERS, (closest, written, verified), strict=True))
        for answer, said in ((answer, said_by[answer]) for answer in COMPARED[way]):
            pairs.append((_row(node, text, said), _key(source, node, way, text, answer, said)))
    return pairs


def _row(node: Context, question: str, answer: str) -> dict:
    name = content_id("pair", node.text, question, answer)
    return {"id": name, "context": node.text, "question": question, "answer": answer}


def _key(source: str, node: Context, way: str, question: str, answer: str, said: str) -> dict:
    row = _row(node, question, said)
    told = {"source": source, "question": way, "answer": answer, "units": node.units}
    return {"id": row["id"], **told}


def tally(folder: Path) -> dict[str, object]:
    """Shares by source, way to ask and way to answer.

    nodes   how many were asked about; the rest of them, less `pairs`, got no question
    shares  of the pairs: [count, share, lower bound, upper bound]
    """
    labels = _labels(folder)
    groups: dict[str, list[dict | None]] = defaultdict(list)
    missing = []
    for key in _read(folder / "key.jsonl"):
        label = labels.get(key["id"])
        if key["answer"] and label is None:
            missing.append(key["id"])
        for source in (key["source"], "both"):
            for answer in [key["answer"]] if key["answer"] else COMPARED[key["question"]]:
                groups[f"{source} / {key['question']} / {answer}"].append(label)
    found = {name: _shares(rows) for name, rows in sorted(groups.items())}
    return {"missing": len(set(missing)), **found}


def _shares(rows: Sequence[dict | None]) -> dict[str, object]:
    pairs = [row | {"usable and whole": row["usable"] * row["whole"]} for row in rows if row]
    counts = {label: sum(row[label] for row in pairs) for label in (*LABELS, "usable and whole")}
    return {
        "nodes": len(rows),
        "pairs": len(pairs),
        **{
            label: [
                n,
                round(n / len(pairs), 3),
                *(round(v, 3) for v in Accuracy(n, len(pairs)).interval),
            ]
            for label, n in counts.items()
            if pairs
        },
    }


async def score(folder: Path, run: Path) -> dict[str, object]:
    """Area under the ROC curve of each ranker, over the distinct questions with labels."""
    labels = _labels(folder)
    asked = {}
    for row in _read(folder / "pairs.jsonl"):
        if label := labels.get(row["id"]):
            good = label["grammatical"] * label["standalone"] * label["answerable"]
            asked[Item(row["context"], row["question"])] = good
    opened = Run.read(run)
    head = json.loads(opened.ledger.steps()["scorer"])["head"]
    opened.close()
    items, good = list(asked), list(asked.values())
    async with rig() as made:
        scorer = LinearScorer(features(made.base), tuple(head), made.base.model.name)
        learned = await scorer.score(items)
    told = await HeuristicScorer().score(items)
    return {
        "questions": len(items),
        "good": sum(good),
        "contrastive": round(float(roc_auc_score(good, [score.value for score in learned])), 3),
        "heuristic": round(float(roc_auc_score(good, [score.value for score in told])), 3),
    }


def _labels(folder: Path) -> dict[str, dict]:
    return {row["id"]: row for path in folder.glob("labels*.jsonl") for row in _read(path)}


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _write(path: Path, rows: Iterator[dict]) -> None:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("write", "tally", "score"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", choices=("test", "development"), default="test")
    parser.add_argument("--run", type=Path, help="a run's folder, for its scorer")
    chosen = parser.parse_args()
    if chosen.do == "write":
        chosen.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(write(chosen.folder, chosen.texts))
    elif chosen.do == "score":
        print(json.dumps(asyncio.run(score(chosen.folder, chosen.run)), indent=1))
    else:
        print(json.dumps(tally(chosen.folder), indent=1))


if __name__ == "__main__":
    main()
