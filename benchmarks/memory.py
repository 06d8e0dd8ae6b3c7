"""The memory of a run on a small and on a large corpus: it must not grow with the corpus.

    python -m benchmarks.memory [--small 1000] [--large 20000] [--folder DIR]

Each run is a process of its own, `python -m augcon run`, at the simulated server of the tests, with
settings that keep the calls for a context few. Prints JSON: for each run its root contexts, calls,
seconds and the peak of its resident memory in MB, and

ratio      the large run's peak by the small one's; at most 1.2 is wanted
under_mb   the bound that both are to keep

The peak is read from /proc, so on Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.simulated_server import MODEL, Simulation, simulated_server
from tests.small_corpora import chinese, english

import augcon

WANTED_RATIO = 1.2
UNDER_MB = 400
CONTEXTS_OF_A_FILE = 20
POLL_SECONDS = 0.1
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
SETTINGS = """
[tree]
max_units = 40
min_units = 20
max_passes = 1
[scorer]
kind = "heuristic"
[answers]
choose = "first"
"""


def write_corpus(folder: Path, contexts: int) -> None:
    """Files of short chapters, each about one root context; every fourth file is Chinese.

    The words of a chapter are its own in part, so that no two texts are alike.
    """
    folder.mkdir()
    for number in range(-(-contexts // CONTEXTS_OF_A_FILE)):
        draw = random.Random(number)
        first = number * CONTEXTS_OF_A_FILE
        chapters = range(first, min(first + CONTEXTS_OF_A_FILE, contexts))
        make = _chinese_chapter if number % 4 == 3 else _english_chapter
        text = "\n\n".join(make(chapter, draw) for chapter in chapters)
        (folder / f"{number:05}.md").write_text(f"{text}\n", encoding="utf-8")


def _english_chapter(number: int, draw: random.Random) -> str:
    name = "".join(draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(4)).title()
    return f"# {name} {number}\n\n{english(number, 2)} The {name} house still stands there today."


def _chinese_chapter(number: int, draw: random.Random) -> str:
    name = "".join(draw.sample("山水林田湖草沙石桥塔门楼亭台阁院", 3))
    return f"# {name}{number}\n\n{chinese(number, 1)}{name}至今还在那里。"


def measure(folder: Path, contexts: int, server: Simulation) -> dict[str, object]:
    """A run over so many root contexts, or a few more or less."""
    write_corpus(folder / "corpus", contexts)
    config = folder / "memory.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "augcon", "run", folder / "corpus", "-o", folder / "out"]
    options = ["--config", config, "--base-url", server.url, "--model", MODEL, "--quiet"]
    started = time.monotonic()
    with subprocess.Popen([*command, *options, "--concurrency", "32"]) as process:
        peak = _peak_of(process, server)
    if process.returncode != 0:
        raise SystemExit(f"the run over {contexts} contexts failed")
    books = augcon.open(folder / "out").books
    return {
        "contexts": books.stages["contexts"].kept,
        "calls": books.calls.calls,
        "pairs": books.pairs,
        "balanced": books.balanced,
        "seconds": round(time.monotonic() - started, 1),
        "peak_mb": round(peak / 1e3, 1),
        "database_mb": round((folder / "out" / "run.db").stat().st_size / 1e6, 1),
    }


def _peak_of(process: subprocess.Popen[bytes], server: Simulation) -> int:
    """The largest resident memory of the process, in kB, as the kernel keeps it."""
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        if found := PEAK.search(status.read_text()):
            peak = max(peak, int(found[1]))
        server.log.bodies.clear()  # else this process would grow, for it holds the server
        time.sleep(POLL_SECONDS)
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=1000, metavar="N", help="root contexts")
    parser.add_argument("--large", type=int, default=20_000, metavar="N", help="root contexts")
    parser.add_argument("--folder", type=Path, help="keep the runs here; a temporary one if not")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, simulated_server() as server:
        runs = []
        for contexts in (told.small, told.large):
            folder = (told.folder or Path(temporary)) / str(contexts)
            folder.mkdir(parents=True)
            runs.append(measure(folder, contexts, server))
    small, large = (run["peak_mb"] for run in runs)
    ratio = round(large / small, 3)  # type: ignore[operator]
    said = {"cores": os.cpu_count(), "small": runs[0], "large": runs[1], "ratio": ratio}
    print(json.dumps({**said, "wanted_ratio": WANTED_RATIO, "under_mb": UNDER_MB}, indent=2))


if __name__ == "__main__":
    main()
