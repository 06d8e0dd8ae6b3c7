"""The embedded model: which servers it takes on this machine, and whether they can be had.

Generators write (SmolLM2-135M-Instruct with our adapter merged in), one for each core, with one
thread each: a model as small as this spends more time on waking threads than they save (two of one
thread do 2.1 times the work of one of two). Readers, as many, are the model without the adapter:
they give the probability of a line break, the hidden state of a text's last token as its embedding,
and the weak questions that the scorer learns from. The encoder gives the meaning of sentences
(all-MiniLM-L6-v2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcon.llm.assets import ASSETS, ENCODER, GENERATOR, TUNED
from augcon.llm.cache import Progress, cache_folder, fetch, is_ready
from augcon.llm.local import Check, LocalServers, Serving, check_engine
from augcon.llm.machine import free_memory, usable_cores

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "ENCODER_SLOTS",
    "Check",
    "EmbeddedServers",
    "check_embedded",
    "check_engine",
    "serve_encoder",
]

GENERATOR_SLOTS = 4  # candidates that one generator draws at once
READER_SLOTS = 4
SLOT_TOKENS = 2048
PAIR_BYTES = 700_000_000  # of memory, for a generator and a reader
ENCODER_SLOTS = 8  # must divide the batch of 512, or the engine aborts
ENCODER_TOKENS = 512  # what all-MiniLM-L6-v2 has positions for


class EmbeddedServers:
    """The running servers. Enter it, or `await EmbeddedServers.start()` and `close()` it.

    cores  so many generators and as many readers; as the machine has, if its memory holds them
    """

    def __init__(self, servers: LocalServers) -> None:
        self._servers = servers
        *pairs, self.encoder = servers.endpoints
        self.generators, self.readers = pairs[::2], pairs[1::2]

    @classmethod
    async def start(
        cls, cores: int | None = None, progress: Progress | None = None
    ) -> EmbeddedServers:
        """Fetch what is missing (once, about 180 MB), then start the servers (1.5 seconds).

        Raises MissingExtraError or AssetError.
        """
        return cls(await LocalServers.start(lambda: _servings(cores, progress)))

    async def close(self) -> None:
        """Stop at once, whatever is in flight."""
        await self._servers.close()

    async def __aenter__(self) -> EmbeddedServers:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _servings(cores: int | None, progress: Progress | None) -> list[Serving]:
    if cores is None:
        cores = max(1, min(usable_cores(), free_memory() // PAIR_BYTES))
    base, tuned = str(fetch(GENERATOR, progress)), str(fetch(TUNED, progress))
    generator = Serving(tuned, TUNED.model_name, GENERATOR_SLOTS, SLOT_TOKENS)
    reader = Serving(base, GENERATOR.model_name, READER_SLOTS, SLOT_TOKENS, pooling="LAST")
    return [*([generator, reader] * cores), serve_encoder(progress)]


def serve_encoder(progress: Progress | None = None) -> Serving:
    """The sentence encoder, fetched if it is missing."""
    path = str(fetch(ENCODER, progress))
    return Serving(path, ENCODER.model_name, ENCODER_SLOTS, ENCODER_TOKENS, pooling="MEAN")


def check_embedded() -> list[Check]:
    """What the embedded model needs and whether it is there. Fetches nothing, starts nothing."""
    checks = check_engine()
    folder = cache_folder()
    for asset in ASSETS:
        needed = f"{round(asset.download / 1e6)} MB fetched" if asset.download else "made"
        detail = "ready" if is_ready(asset) else f"{needed} on first use"
        checks.append(Check(f"file {asset.file_name}", True, f"{detail}, in {folder}"))
    return checks
