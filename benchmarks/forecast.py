"""The forecast against the fact: calls, tokens and time, without probe calls and with three.

    python -m benchmarks.forecast [--files 24] [--slots 64] [--decode-rate 50] [--folder DIR]

Plans a run at the simulated server of the tests, whose slots and rates are those of a real one,
and then makes it, in two starts: a budget stops the first one at three quarters. Every fourth file
of the corpus is long, every third one Chinese. Prints JSON: for each number of probes the relative
errors of the forecast, its numbers and those of the run, and

stopped  the errors of what the run itself expected at the end, when it was stopped
wanted   the largest errors that are to be seen with probes
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.simulated_server import MODEL, Engine, Simulation, simulated_server
from tests.small_corpora import chinese, english

import augcon
from augcon.errors import BudgetSpentError
from augcon.store import Books

PREFILL_RATE = 8000.0  # tokens a second
CACHED_BLOCKS = 100_000
STOPPED_AT = 0.75  # of the calls
WANTED = {"calls": 0.2, "prompt_tokens": 0.15, "completion_tokens": 0.15}


def write_corpus(folder: Path, files: int) -> None:
    """About two root contexts in a file; every fourth one holds two more."""
    folder.mkdir()
    for number in range(files):
        paragraphs = 10 if number % 4 == 3 else 4
        seeds = range(100 * number, 100 * number + paragraphs)
        make = chinese if number % 3 == 2 else english
        text = "\n\n".join(make(seed, 8 + seed % 5) for seed in seeds)
        (folder / f"{number:03}.md").write_text(f"{text}\n", encoding="utf-8")


def error(predicted: float, made: float) -> float:
    return round(predicted / made - 1, 3)


def errors_of(predicted: dict[str, float], books: Books) -> dict[str, float]:
    return {name: error(predicted[name], getattr(books.calls, name)) for name in WANTED}


def planned(corpus: Path, server: Simulation, probes: int, slots: int) -> dict[str, float]:
    plan = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=probes, concurrency=slots)
    asked = plan.probes.calls if plan.probes else 0
    return {
        **{name: getattr(plan, name) for name in WANTED},
        "minutes": round(plan.minutes, 2),
        "probe_calls": asked,
    }


def stopped(corpus: Path, out: Path, server: Simulation, calls: int) -> dict[str, float]:
    """What the run expects to come to, after so many of its calls."""
    with suppress(BudgetSpentError):
        augcon.run(corpus, out, model=MODEL, base_url=server.url, budget=f"{calls} calls")
    outlook = augcon.open(out).books.forecast
    assert outlook is not None, "a run keeps its forecast"
    return {name: getattr(outlook.expected, name) for name in WANTED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=24, metavar="N")
    parser.add_argument("--slots", type=int, default=64, metavar="N")
    parser.add_argument("--decode-rate", type=float, default=50.0, metavar="N", help="tokens a s")
    parser.add_argument("--folder", type=Path, help="keep the run here; a temporary one if not")
    told = parser.parse_args()
    engine = Engine(told.slots, PREFILL_RATE, told.decode_rate, cache_blocks=CACHED_BLOCKS)
    with tempfile.TemporaryDirectory() as temporary, simulated_server(engine=engine) as server:
        folder = told.folder or Path(temporary)
        corpus, out = folder / "corpus", folder / "out"
        write_corpus(corpus, told.files)
        plans = {probes: planned(corpus, server, probes, told.slots) for probes in (0, 3)}
        expected = stopped(corpus, out, server, int(STOPPED_AT * plans[0]["calls"]))
        books = augcon.run(corpus, out, model=MODEL, base_url=server.url).books
    made = {name: getattr(books.calls, name) for name in WANTED}
    said = {
        "contexts": books.stages["contexts"].kept,
        "made": {**made, "minutes": round(books.seconds / 60, 2)},
        "probes": {
            str(probes): {"errors": errors_of(plan, books), "plan": plan}
            for probes, plan in plans.items()
        },
        "stopped": errors_of(expected, books),
        "wanted": WANTED,
    }
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
