"""The split strategies beside each other, on the same root contexts.

    python -m benchmarks.splitting --base-url URL --model NAME [--roots 20] [--json FILE]
    python -m benchmarks.splitting --model embedded | PATH.gguf
    python -m benchmarks.splitting --simulated

roots      for each language, drawn with a fixed seed from the files of --corpus, or else from the
           contexts of SQuAD (English) and of CMRC and DRCD (Chinese) in --data, the paragraphs of
           an article put together to root contexts; or else from examples/
simulated  at the simulated server of the tests. What is written there follows from the request: a
           part is never polished, a question is made of words of its context, and tokens are
           words. It shows what each strategy asks, not how good what it gets is

One pass over each root. A question is kept that the selection's rule keeps when there is no quota
(best first by the heuristic ranker). For each language and strategy:

tokens/kept  output tokens of all calls of the tree, for a question kept
prompt/kept  the same of prompts
kept         questions kept, for a root
alike        cosine similarity of the two parts of a split, by the sentence encoder of the embedded
             model (an English one: for Chinese, see `shared`), over splits that were followed; less
             is better
shared       ROUGE-L F1 of the two parts; the same without a model
coverage     share of the roots' sentences of which the leaves hold four fifths of the tokens
refused      share of splits that the checks refused, those with nothing to divide left aside
foreign      share of the tokens of parts that their parent does not hold in that order
depth        of the deepest node, mean over roots
calls        for a root, those for embeddings among them
mended       share of splits followed whose second part was mended; `unmended`: should have been,
             and was left as it was

--json writes the rows as JSON, with the reasons of refusals, and whether the target is met:
`boundary` at most 0.35 of `rewrite`'s output tokens for a question kept, at no lower coverage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from rapidfuzz.distance import LCSseq
from tests.simulated_server import MODEL, simulated_server

from augcon.assemble import assemble_tree, library_of, longest_request
from augcon.config import Settings, load_settings
from augcon.corpus import cut_contexts, detect_language, read_corpus, sentence_spans
from augcon.errors import SettingsError
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, MemoryJournal, Meter
from augcon.llm.embedded import serve_encoder
from augcon.llm.encode import encode
from augcon.llm.local import LocalServers
from augcon.llm.models import open_models
from augcon.llm.openai import OpenAIModel
from augcon.prompts.library import prompt_language
from augcon.records import Context, Document, Node, State
from augcon.rouge import rouge_l, tokens
from augcon.scorer import HeuristicScorer, with_scores
from augcon.sections import EMBEDDED_SPLITS
from augcon.select import choose
from augcon.tree.decontextualise import AS_IT_WAS, MENDED

HERE = Path(__file__).parents[1]
SHARED = HERE.parent / "shared" / "data" / "dev"
FILES = {"squad.jsonl": "en", "cmrc2018.jsonl": "zh", "drcd.jsonl": "zh"}
SEED = 5
HELD = 0.8  # of a sentence's tokens
STRAY = 0.5  # of the tokens of a sentence, or of a leaf that is shorter: fewer are chance
NO_SPLIT = ("nothing_to_split", "too_deep")
MEND = "boundary + decontextualise"
AT_A_SERVER = ("rewrite", "boundary", MEND, "assign", "semantic", "middle", "recursive")
WANTED = 0.35


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy over the roots of one language. `alike` is None without the encoder."""

    language: str
    strategy: str
    roots: int
    tokens_for_kept: float
    prompt_for_kept: float
    kept: float
    alike: float | None
    shared: float
    coverage: float
    refused: float
    foreign: float
    depth: float
    calls: float
    mended: float
    unmended: float
    refusals: dict[str, int]


TITLES = ("tokens/kept", "prompt/kept", "kept", "alike", "shared", "coverage", "refused")
TITLES += ("foreign", "depth", "calls", "mended", "unmended")


def shared_texts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Name, text and language of articles put together from the paragraphs of the shared data."""
    for file, language in FILES.items():
        if not (folder / file).is_file():
            continue
        articles: dict[str, dict[str, None]] = {}
        for line in (folder / file).read_text("utf-8").splitlines():
            row = json.loads(line)
            articles.setdefault(row["title"], {})[row["context"].strip()] = None
        for title, paragraphs in articles.items():
            yield f"{file}/{title}", "\n\n".join(paragraphs), language


def draw_roots(paths: Sequence[Path], data: Path, number: int, settings: Settings) -> list[Context]:
    """So many for each language that has prompts, each from another document where it can be."""
    if paths or not (shared := list(shared_texts(data))):
        documents = list(read_corpus(list(paths) or [HERE / "examples"]))
    else:
        documents = [Document.of(*one) for one in shared]
    draw = random.Random(SEED)
    drawn: dict[str, list[Context]] = {}
    for document in documents:
        language = prompt_language(document.language or detect_language(document.text))
        roots = [*cut_contexts(document, settings.tree.max_units, settings.tree.min_units)]
        drawn.setdefault(language, []).append(draw.choice(roots))
    return [
        root
        for language in sorted(drawn)
        for root in draw.sample(drawn[language], min(number, len(drawn[language])))
    ]


async def grown(roots: Sequence[Context], settings: Settings) -> tuple[list[list[Node]], Meter]:
    """One pass over each root, with nothing known before, and what was asked for it."""

    async def remember(step: str, do: Callable[[], Awaitable[str]]) -> str:
        return await do()

    meter, library = Meter(), library_of(settings)
    async with open_models(
        *(settings.model, MemoryJournal(), settings.seed, remember, Meter()),
        *(lambda *_: None, longest_request(settings), Budget()),
    ) as models:
        models.generator.meter = meter
        tree = assemble_tree(settings, models, library)
        places = asyncio.Semaphore(models.contexts_at_once)

        async def grow(root: Context) -> list[Node]:
            async with places:
                return list(await tree.grow(root, 0))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(grow(root)) for root in roots]
    return [task.result() for task in tasks], meter


async def measured(
    language: str,
    strategy: str,
    roots: Sequence[Context],
    settings: Settings,
    encoder: Caller | None,
) -> Row:
    trees, meter = await grown(roots, settings)
    kept = 0
    for tree in trees:
        asked = await with_scores([n.question for n in tree if n.question], HeuristicScorer())
        chosen = settings.selection
        judged = choose(asked, len(asked), chosen.similarity, chosen.min_question_units)
        kept += sum(question.verdict.kept for question in judged)
    nodes = [node for tree in trees for node in tree]
    tried = [n.split for n in nodes if n.split.state is not State.NONE]
    tried = [split for split in tried if split.reason not in NO_SPLIT]
    followed = [split for split in tried if split.kept]
    pairs = list(siblings(nodes))
    parents = {node.context.id: node.context for node in nodes}
    covered = [share for tree in trees for share in sentences_held(tree)]
    children = [node.context for node in nodes if node.context.parent_id in parents]
    return Row(
        language=language,
        strategy=strategy,
        roots=len(roots),
        tokens_for_kept=meter.completion_tokens / max(1, kept),
        prompt_for_kept=meter.prompt_tokens / max(1, kept),
        kept=kept / len(roots),
        alike=await alike(pairs, encoder) if encoder and pairs else None,
        shared=mean([rouge_l(one.text, other.text).f1 for one, other in pairs]),
        coverage=mean([share >= HELD for share in covered]),
        refused=1 - len(followed) / max(1, len(tried)),
        foreign=foreign([(c.text, parents[str(c.parent_id)].text) for c in children]),
        depth=mean([max(n.context.depth for n in tree) for tree in trees]),
        calls=meter.calls / len(roots),
        mended=mean([s.detail.startswith(MENDED) for s in followed]),
        unmended=mean([s.detail.startswith(AS_IT_WAS) for s in followed]),
        refusals=dict(Counter(split.reason for split in tried if not split.kept)),
    )


def siblings(nodes: Sequence[Node]) -> Iterator[tuple[Context, Context]]:
    by_parent: dict[str, list[Context]] = {}
    for node in nodes:
        if node.context.parent_id is not None:
            by_parent.setdefault(node.context.parent_id, []).append(node.context)
    yield from ((both[0], both[1]) for both in by_parent.values() if len(both) == 2)


async def alike(pairs: Sequence[tuple[Context, Context]], encoder: Caller) -> float:
    vectors = await encode(encoder, [context.text for pair in pairs for context in pair])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((unit[::2] * unit[1::2]).sum(axis=1).mean())


def sentences_held(tree: Sequence[Node]) -> Iterator[float]:
    """For each sentence of the root, the share of its tokens that one leaf or another holds."""
    root = tree[0].context
    leaves = [tokens(node.context.text) for node in tree if not node.split.kept]
    for span in sentence_spans(root.text, root.language):
        sentence = tokens(root.text[span.start : span.end])
        held: set[int] = set()
        for leaf in leaves:
            here = aligned(sentence, leaf)
            is_chance = len(here) < STRAY * min(len(sentence), len(leaf))
            held |= set() if is_chance else here
        if sentence:
            yield len(held) / len(sentence)


def aligned(sentence: Sequence[str], leaf: Sequence[str]) -> set[int]:
    """The places of a sentence's tokens that a leaf has in the same order."""
    return {
        place
        for block in LCSseq.opcodes(sentence, leaf)
        if block.tag == "equal"
        for place in range(block.src_start, block.src_end)
    }


def foreign(parts: Sequence[tuple[str, str]]) -> float:
    """Share of the parts' tokens that are not their parents'."""
    counts = [(len(tokens(part)), rouge_l(part, parent).precision) for part, parent in parts]
    return 1 - sum(n * held for n, held in counts) / max(1, sum(n for n, _ in counts))


def mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


async def compared(
    roots: Sequence[Context],
    strategies: Sequence[str],
    said: dict[str, object],
    similarity: bool,
    config: Path | None,
) -> list[Row]:
    rows = []
    async with AsyncExitStack() as stack:
        encoder = await _encoder(stack) if similarity else None
        for language in dict.fromkeys(prompt_language(root.language) for root in roots):
            some = [root for root in roots if prompt_language(root.language) == language]
            for strategy in strategies:
                told = {**said, "tree.split": strategy.split()[0]}
                settings = load_settings(config, {**told, "tree.decontextualise": strategy == MEND})
                try:
                    rows.append(await measured(language, strategy, some, settings, encoder))
                    print(shown(rows[-1]), file=sys.stderr, flush=True)
                except SettingsError as error:
                    print(f"{strategy}: left out: {error}", file=sys.stderr)
    return rows


async def _encoder(stack: AsyncExitStack) -> Caller:
    servers = await LocalServers.start(lambda: [serve_encoder()])
    stack.push_async_callback(servers.close)
    (at,) = servers.endpoints
    model = OpenAIModel(at.base_url, at.name, at.api_key)
    stack.push_async_callback(model.close)
    return Caller(model, MemoryJournal())


def targets(rows: Sequence[Row]) -> dict[str, dict[str, object]]:
    """For each language: boundary's output tokens beside rewrite's, and its coverage."""
    told = {}
    by_name = {(row.language, row.strategy): row for row in rows}
    for language in dict.fromkeys(row.language for row in rows):
        rewrite, boundary = (by_name.get((language, s)) for s in ("rewrite", "boundary"))
        if rewrite and boundary:
            ratio = boundary.tokens_for_kept / max(1e-9, rewrite.tokens_for_kept)
            met = ratio <= WANTED and boundary.coverage >= rewrite.coverage
            told[language] = {"tokens_of_rewrite": round(ratio, 3), "wanted": WANTED, "met": met}
    return told


def table(rows: Sequence[Row]) -> str:
    head = f"{'':4}{'strategy':28}" + "".join(f"{title:>12}" for title in TITLES)
    return "\n".join([head, *map(shown, rows)])


def shown(row: Row) -> str:
    values = (getattr(row, field.name) for field in fields(Row)[3:-1])
    cells = (f"{'-' if value is None else f'{value:.3g}':>12}" for value in values)
    return f"{row.language:4}{row.strategy:28}" + "".join(cells)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--base-url", action="append")
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--corpus", type=Path, nargs="*", default=[])
    parser.add_argument("--data", type=Path, default=SHARED, help="the shared data's dev folder")
    parser.add_argument("--roots", type=int, default=20, metavar="N")
    parser.add_argument("--max-units", type=int, default=500, metavar="N", help="l of the roots")
    parser.add_argument("--min-units", type=int, default=20, metavar="N", help="λ")
    parser.add_argument("--config", type=Path, help="other settings, as for augcon run")
    parser.add_argument("--strategies", help=f"some of: {', '.join(AT_A_SERVER)}")
    parser.add_argument("--no-similarity", action="store_true", help="no sentence encoder")
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args(arguments)
    said: dict[str, object] = {"model.name": told.model, "tree.max_units": told.max_units}
    said["tree.min_units"] = told.min_units
    with simulated_server() as server:
        if told.simulated:
            said |= {"model.name": MODEL, "model.base_urls": (server.url,)}
        elif told.base_url:
            said["model.base_urls"] = tuple(told.base_url)
        settings = load_settings(told.config, said)
        here = settings.model.kind == "embedded"
        possible = EMBEDDED_SPLITS if here else AT_A_SERVER
        chosen = [s.strip() for s in told.strategies.split(",")] if told.strategies else possible
        roots = draw_roots(told.corpus, told.data, told.roots, settings)
        if here:
            roots = [root for root in roots if root.language == "en"]
        rows = asyncio.run(compared(roots, chosen, said, not told.no_similarity, told.config))
    print(table(rows))
    for language, target in targets(rows).items():
        print(f"{language}: boundary / rewrite {target}")
    if told.json:
        whole = {"rows": [asdict(row) for row in rows], "target": targets(rows)}
        told.json.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    return rows


if __name__ == "__main__":
    main()
