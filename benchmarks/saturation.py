"""How full a run keeps a model server, beside two plain ways of asking the same.

    python -m benchmarks.saturation [--contexts 300] [--decode-rate 100] [--folder DIR]

The server is simulated (`tests/simulated_server.py`): 64 slots with continuous batching, prefill
and decode rates, a prefix cache. `python -m augcon run` goes through a whole corpus, half of it
Chinese, once at a server without faults and once with 10 % HTTP 429 and 5 % HTTP 500. Beside
them, requests of that very run are asked by a pool of eight threads, and in batches of 50 of which
each waits for the one before. Prints JSON:

whole        busy share of the slots' time from the first to the last request
middle       the same without the first and the last tenth of the time, which are ramp and tail
prefix       share of the prompt tokens of chats that the prefix cache served
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from tests.simulated_server import MODEL, Engine, Faults, simulated_process, simulated_server
from tests.small_corpora import chinese, english

import augcon

SLOTS = 64
PREFILL = 8_000.0  # tokens a second of one request
CACHE_BLOCKS = 20_000  # of 16 tokens: what a card of 80 GB holds beside a model of 8 billion
THREADS = 8
BATCH = 50
COMPARED = 800  # requests of the plain ways
FAULTS = Faults(status={429: 0.10, 500: 0.05})
WANTED = {"whole": 0.90, "middle": 0.95, "faulty": 0.85, "prefix": 0.6}
JSON = {"Content-Type": "application/json"}


def write_corpus(folder: Path, contexts: int) -> None:
    """One document for each root context, of 150 to 450 units; every other one is Chinese."""
    folder.mkdir(parents=True)
    for number in range(contexts):
        sentences = 10 + number * 7 % 20
        text = chinese(number, sentences) if number % 2 else english(number, sentences)
        (folder / f"{number:05}.md").write_text(f"{text}\n", encoding="utf-8")


def server(decode_rate: float, faults: Faults | None = None) -> Any:
    engine = Engine(SLOTS, PREFILL, decode_rate, cache_blocks=CACHE_BLOCKS)
    return simulated_process(faults, engine)


def ours(folder: Path, corpus: Path, decode_rate: float, faults: Faults | None) -> dict[str, Any]:
    """A whole run, as a process of its own."""
    with server(decode_rate, faults) as process:
        command = [sys.executable, "-m", "augcon", "run", corpus, "-o", folder, "--quiet"]
        at = ["--base-url", process.url, "--model", MODEL]
        subprocess.run([*map(str, command), *at], check=True)
        told = process.stats()
        start, end = told["first_arrival"], told["last_finish"]
        tenth = (end - start) / 10
        middle = process.stats(start + tenth, end - tenth)["window"]["busy_share"]
    books = augcon.open(folder).books
    if not books.balanced:
        raise SystemExit("the books do not balance")
    return {
        "contexts": books.stages["contexts"].kept,
        "requests": told["requests"],
        "refused": told["refused"],
        "seconds": round(end - start, 1),
        "whole": round(told["busy_share"], 4),
        "middle": round(middle, 4),
        "prefix": round(told["cached_tokens"] / told["prompt_tokens"], 4),
        "most_in_flight": told["most_in_flight"],
    }


def requests_of(corpus: Path, folder: Path) -> list[bytes]:
    """What a run asks of its chat endpoint, gathered at a server that answers at once."""
    with simulated_server() as instant:
        augcon.run(corpus, folder, model=MODEL, base_url=instant.url, limit=40)
        chats = [body for body in instant.log.bodies if "messages" in body]
    return [json.dumps(body).encode() for body in chats[-COMPARED:]]


def threads(url: str, bodies: Sequence[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(body: bytes) -> None:
        asked = urllib.request.Request(f"{url}/chat/completions", body, JSON)
        with opener.open(asked) as reply:
            reply.read()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, bodies))


def batches(url: str, bodies: Sequence[bytes]) -> None:
    async def ask(session: aiohttp.ClientSession, body: bytes) -> None:
        async with session.post(f"{url}/chat/completions", data=body, headers=JSON) as reply:
            await reply.read()

    async def all_of_them() -> None:
        async with aiohttp.ClientSession() as session:
            for first in range(0, len(bodies), BATCH):
                batch = bodies[first : first + BATCH]
                await asyncio.gather(*(ask(session, body) for body in batch))

    asyncio.run(all_of_them())


def plain(way: Any, bodies: Sequence[bytes], decode_rate: float) -> dict[str, Any]:
    with server(decode_rate) as process:
        way(process.url, bodies)
        told = process.stats()
    seconds = told["last_finish"] - told["first_arrival"]
    whole = round(told["busy_share"], 4)
    return {"requests": told["requests"], "seconds": round(seconds, 1), "whole": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", type=int, default=300)
    parser.add_argument("--decode-rate", type=float, default=100.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=["ours", "faulty", "plain"])
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="saturation-"))
    corpus, rate = folder / "corpus", given.decode_rate
    write_corpus(corpus, given.contexts)
    told: dict[str, Any] = {"slots": SLOTS, "decode_rate": rate, "wanted": WANTED}
    started = time.monotonic()
    if given.only in (None, "ours"):
        told["augcon"] = ours(folder / "clean", corpus, rate, None)
    if given.only in (None, "faulty"):
        told["augcon, 10 % 429 and 5 % 500"] = ours(folder / "faulty", corpus, rate, FAULTS)
    if given.only in (None, "plain"):
        bodies = requests_of(corpus, folder / "instant")
        told[f"{THREADS} threads"] = plain(threads, bodies, rate)
        told[f"batches of {BATCH}"] = plain(batches, bodies, rate)
    told["took"] = round(time.monotonic() - started, 1)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
