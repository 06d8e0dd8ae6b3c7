"""What the program itself costs for each request, at a server that answers at once.

    python -m benchmarks.own_cost [--requests 6000] [--contexts 40]

The simulated server is a process of its own. This one keeps to a single core, the first of those
it may use. Prints JSON:

call_path   requests with the tree's prompt through the whole call path, each journalled before it
            counts: requests a second (at least 600 are wanted), CPU seconds for a thousand of them,
            and the places that were found best
whole_run   the same for `augcon.run` over a corpus in both languages: trees, checks, ranking,
            selection and answers included
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.saturation import write_corpus
from tests.simulated_server import MODEL, simulated_process

import augcon
from augcon.llm.base import Sampling
from augcon.llm.call import Caller
from augcon.llm.limit import Limit
from augcon.llm.openai import OpenAIModel
from augcon.llm.places import Places
from augcon.prompts import Asker, Library
from augcon.store import Run

WANTED_A_SECOND = 600
WARM_UP = 100
TASKS = 256  # that ask one request after the other
TEXT = "The old mill of Harwick was built in {year} by Anna Berg, who kept its accounts. " * 5


@contextmanager
def measured(told: dict[str, float]) -> Iterator[None]:
    """Fill in seconds and CPU seconds of this process, all its threads included."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    told |= {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


async def call_path(url: str, folder: Path, requests: int) -> dict[str, object]:
    run = Run.begin(folder, {}, "corpus", "")
    model = OpenAIModel(url, MODEL)
    caller = Caller(model, run.journal, places=Places([Limit(1, 256)]))
    asker, prompt = Asker(caller), Library().prompt("tree", "en")

    async def ask(numbers: Iterator[int]) -> None:
        for number in numbers:
            values = {"context": TEXT.format(year=number)}
            await asker.ask(prompt, values, Sampling(0.85, max_tokens=2048), number)

    await ask(iter(range(WARM_UP)))
    numbers = iter(range(WARM_UP, WARM_UP + requests))
    told: dict[str, float] = {}
    with measured(told):
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(ask(numbers))
    await model.close()
    run.close()
    return {**rates(requests, told), "places": caller.places.allowed}


def whole_run(url: str, folder: Path, contexts: int) -> dict[str, object]:
    write_corpus(folder / "corpus", contexts)
    told: dict[str, float] = {}
    with measured(told):
        result = augcon.run(folder / "corpus", folder / "out", model=MODEL, base_url=url)
    return rates(result.books.calls.calls, told)


def rates(requests: int, told: dict[str, float]) -> dict[str, object]:
    return {
        "requests": requests,
        "a_second": round(requests / told["seconds"]),
        "cpu_seconds_per_thousand": round(1000 * told["cpu"] / requests, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--contexts", type=int, default=40)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="own-cost-"))
    with simulated_process() as server:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        path = asyncio.run(call_path(server.url, folder / "path", given.requests))
        whole = whole_run(server.url, folder, given.contexts)
    told = {"wanted_a_second": WANTED_A_SECOND, "call_path": path, "whole_run": whole}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
