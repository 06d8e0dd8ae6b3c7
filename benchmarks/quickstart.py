"""The main job on examples/ with the embedded model: pairs a minute, and where the time goes.

    python benchmarks/quickstart.py [--folder DIR]

Run it alone: other work on the same cores slows the model to a crawl. Prints JSON:

pairs_per_minute  of the wall time once the model is loaded
share_in_model    of that time with at least one request inside the model
peak_rss_mb       of this process and of the model's, added up
load_seconds      from the start of the run to a loaded model (files already in the cache)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

import augcon
from augcon.api import Watch

EXAMPLES = Path(__file__).parent.parent / "examples"
POLL_SECONDS = 0.2


class PeakMemory:
    """The largest resident set of this process and its children together, sampled."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.peak

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(POLL_SECONDS):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


def measure(out: Path) -> dict[str, object]:
    watch, memory = Watch(), PeakMemory()
    started = time.monotonic()
    config = EXAMPLES / "augcon.toml"
    result = augcon.run(EXAMPLES / "corpus", out, config=config, watch=watch)
    seconds = time.monotonic() - watch.model_ready
    peak = memory.stop()
    books = result.books
    depths = Counter(pair.depth for pair in result)
    return {
        "pairs": len(result),
        "depths": dict(sorted(depths.items())),
        "seconds": round(seconds, 1),
        "pairs_per_minute": round(60 * len(result) / seconds, 1),
        "target_pairs_per_minute": 30,
        "share_in_model": round(watch.meter.busy_seconds / seconds, 3),
        "target_share_in_model": 0.95,
        "peak_rss_mb": round(peak / 1e6),
        "load_seconds": round(watch.model_ready - started, 1),
        "calls": books.calls.calls,
        "tokens": books.calls.prompt_tokens + books.calls.completion_tokens,
        "balanced": books.balanced,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="keep the run here; a temporary one if not")
    folder = parser.parse_args().folder
    if folder is not None:
        print(json.dumps(measure(folder), indent=2))
        return
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(Path(temporary) / "run"), indent=2))


if __name__ == "__main__":
    main()
