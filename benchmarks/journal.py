"""The journal alone: replies a second through the path that a run takes, their CPU and their room.

    python benchmarks/journal.py [--replies N] [--folder DIR]

So many tasks at once as a busy run has calls in flight, each looking a request up, finding
nothing, writing the reply down and waiting until it is on disk. Prints JSON, for chat replies cut
from the example corpus and for vectors:

replies_per_second  written down and synced
cpu_us_per_reply    of all threads together
bytes_plain         a reply as JSON with named fields, or a vector as 32-bit floats
bytes_stored        the same reply in the journal
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from augcon.llm.base import Choice, Reply, Request, Usage
from augcon.records import content_id
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal

CORPUS = Path(__file__).parent.parent / "examples" / "corpus"
AT_ONCE = 64
TEXT_BYTES = (200, 1000, 4000)
DIMENSIONS = (1024, 4096)


def texts(size: int) -> Callable[[random.Random], Reply]:
    """Chat replies of about `size` bytes in the form that a schema gives them."""
    whole = "\n".join(path.read_text(encoding="utf-8") for path in sorted(CORPUS.rglob("*.md")))

    def reply(draw: random.Random) -> Reply:
        start = draw.randrange(len(whole) - size)
        cut = whole[start : start + size].encode()[:size].decode(errors="ignore")
        said = {"question": cut[: size // 5], "first": cut[size // 5 : size // 2]}
        text = json.dumps({**said, "second": cut[size // 2 :]}, ensure_ascii=False)
        return Reply((Choice(text),), usage=Usage(900, size // 4))

    return reply


def vectors(dimensions: int) -> Callable[[random.Random], Reply]:
    """Vectors without any pattern, as the hidden states of a model have none."""

    def reply(draw: random.Random) -> Reply:
        noise = np.random.default_rng(draw.getrandbits(32)).standard_normal(dimensions)
        return Reply(embedding=tuple(noise.astype(np.float32).tolist()), usage=Usage(900))

    return reply


def plain(reply: Reply) -> int:
    if reply.embedding:
        return 4 * len(reply.embedding)
    return len(json.dumps([asdict(c) for c in reply.choices], ensure_ascii=False).encode())


async def journal_all(journal: SqliteJournal, request: Request, replies: list[Reply]) -> None:
    numbered = iter(enumerate(replies))

    async def work(items: Iterator[tuple[int, Reply]]) -> None:
        for number, reply in items:
            identity = content_id("benchmark", number) * 2
            assert journal.get(identity) is None
            await journal.put(identity, "a-model-of-7b", request, reply, True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work(numbered))


def measure(request: Request, replies: list[Reply], folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        database = Database(Path(inside) / "run.db")
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(journal_all(SqliteJournal(database), request, replies))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        row = database.row("SELECT AVG(LENGTH(reply)) AS stored FROM journal")
        database.close()
    assert row is not None
    return {
        "replies_per_second": round(len(replies) / wall),
        "cpu_us_per_reply": round(cpu / len(replies) * 1e6, 1),
        "bytes_plain": round(sum(map(plain, replies)) / len(replies)),
        "bytes_stored": round(row["stored"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replies", type=int, default=10_000, metavar="N")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="on the disk to be measured")
    chosen = parser.parse_args()
    draw = random.Random(0)
    kinds = {f"chat, {n} bytes": (Request("chat"), texts(n)) for n in TEXT_BYTES}
    kinds |= {f"vector of {n}": (Request("embedding"), vectors(n)) for n in DIMENSIONS}
    told = {}
    for name, (request, make) in kinds.items():
        share = 1 if request.endpoint == "chat" else 5
        replies = [make(draw) for _ in range(chosen.replies // share)]
        told[name] = measure(request, replies, chosen.folder or Path(tempfile.gettempdir()))
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
