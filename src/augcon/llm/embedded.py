"""The embedded model: llama.cpp servers on this machine, spoken to like any other server.

    prepared files ──▶ a child process with the servers ──▶ base URLs, keys and model names

Generators write (SmolLM2-135M-Instruct), one for each core, with one thread each: a model as small
as this spends more time on waking threads than they save (two of one thread do 2.1 times the work
of one of two). Readers, as many, are the same model and the same file: they give the probability
of a line break, and the hidden state of a text's last token as its embedding, and leave the long
few-shot prompt in the generators' caches alone. The encoder gives the meaning of sentences
(all-MiniLM-L6-v2).

They run in a child process, because the binding's server waits for its requests in flight before
it stops, and holds the interpreter's lock while it does: in this process that deadlocks with the
very client whose requests it waits for. A child can be killed in a moment, a fault in native code
ends the child alone, and the child leaves by itself once this process is gone, however it went.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from augcon.errors import AssetError, MissingExtraError
from augcon.llm.assets import ASSETS, ENCODER, GENERATOR, Progress, cache_folder, fetch, is_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Check", "EmbeddedServers", "Endpoint", "check_embedded"]

GENERATOR_SLOTS = 4  # candidates that one generator draws at once
READER_SLOTS = 4
SLOT_TOKENS = 2048
ENCODER_SLOTS = 8  # must divide the batch of 512, or the engine aborts
ENCODER_TOKENS = 512  # what all-MiniLM-L6-v2 has positions for
START_SECONDS = 60.0
EXTRAS = ("gguf", "safetensors", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach one of the servers. `name` holds the version of its file, for the journal."""

    base_url: str
    name: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `augcon doctor`."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Server:
    """What the child is told about one server. The key travels by pipe, never by command line."""

    path: str
    name: str
    slots: int
    slot_tokens: int = SLOT_TOKENS
    pooling: str = ""  # "LAST" token or "MEAN" of all; without one, no embeddings are served
    api_key: str = ""


class EmbeddedServers:
    """The running servers. Enter it, or `await EmbeddedServers.start()` and `close()` it.

    cores  so many generators and as many readers; a pair of them takes about 500 MB
    """

    def __init__(self, process: subprocess.Popen[str], keys: list[str], urls: list[str]) -> None:
        self._process = process
        *pairs, encoder = zip(urls, keys, strict=True)
        models = [Endpoint(url, GENERATOR.model_name, key) for url, key in pairs]
        self.generators, self.readers = models[::2], models[1::2]
        self.encoder = Endpoint(encoder[0], ENCODER.model_name, encoder[1])

    @classmethod
    async def start(
        cls, cores: int | None = None, progress: Progress | None = None
    ) -> EmbeddedServers:
        """Fetch what is missing (once, about 180 MB), then start the servers (1.5 seconds).

        Raises MissingExtraError or AssetError.
        """
        _demand_extras()
        number = cores or usable_cores()
        return await _in_background(lambda: cls._start(number, progress))

    @classmethod
    def _start(cls, cores: int, progress: Progress | None) -> EmbeddedServers:
        paths = [str(fetch(asset, progress)) for asset in (GENERATOR, ENCODER)]
        generator = _Server(paths[0], GENERATOR.model_name, GENERATOR_SLOTS)
        reader = _Server(paths[0], GENERATOR.model_name, READER_SLOTS, pooling="LAST")
        told = [generator, reader] * cores
        told.append(
            _Server(paths[1], ENCODER.model_name, ENCODER_SLOTS, ENCODER_TOKENS, pooling="MEAN")
        )
        told = [replace(server, api_key=secrets.token_urlsafe(24)) for server in told]
        process = _spawn(told)
        try:
            return cls(process, [server.api_key for server in told], _await_urls(process))
        except BaseException:
            _stop(process)
            raise

    async def close(self) -> None:
        """Stop at once, whatever is in flight."""
        _stop(self._process)

    async def __aenter__(self) -> EmbeddedServers:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def check_embedded() -> list[Check]:
    """What the embedded model needs and whether it is there. Fetches nothing, starts nothing."""
    checks = [_check_extra(name) for name in EXTRAS]
    if all(check.ok for check in checks):
        checks.append(_check_engine())
    folder = cache_folder()
    for asset in ASSETS:
        ready = is_ready(asset)
        detail = "ready" if ready else f"fetched on first use ({asset.download_megabytes} MB)"
        checks.append(Check(f"file {asset.file_name}", True, f"{detail}, in {folder}"))
    return checks


def usable_cores() -> int:
    """The cores that this process may use, which in a container are fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_extra(name: str) -> Check:
    if importlib.util.find_spec(name) is None:
        return Check(
            f"package {name}", False, str(MissingExtraError("the embedded model", "local"))
        )
    return Check(f"package {name}", True, "installed")


def _check_engine() -> Check:
    """Import the engine in a process of its own: a faulty native library may end that process."""
    tried = subprocess.run(
        [sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True, check=False
    )
    if tried.returncode == 0:
        return Check("engine", True, "loads")
    return Check("engine", False, _engine_fault(tried.stderr))


async def _in_background(start: Callable[[], EmbeddedServers]) -> EmbeddedServers:
    """Run `start` beside the event loop, in a thread that a program which ends does not wait for.

    What asyncio's own threads do is waited for at the end, and preparing a file takes seconds
    that nobody who has pressed Ctrl-C wants to wait.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[EmbeddedServers] = loop.create_future()

    def hand_over(servers: EmbeddedServers | None, error: BaseException | None) -> None:
        if done.cancelled():
            if servers is not None:
                _stop(servers._process)
        elif servers is not None:
            done.set_result(servers)
        elif error is not None:
            done.set_exception(error)

    def work() -> None:
        servers: EmbeddedServers | None = None
        failure: BaseException | None = None
        try:
            servers = start()
        except BaseException as error:  # carried to the one who waits
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the program is ending, and the child too
            loop.call_soon_threadsafe(hand_over, servers, failure)

    threading.Thread(target=work, daemon=True).start()
    return await done


def _demand_extras() -> None:
    if any(importlib.util.find_spec(name) is None for name in EXTRAS):
        raise MissingExtraError("the embedded model", "local")


def _spawn(servers: list[_Server]) -> subprocess.Popen[str]:
    # PASSIVE: threads that wait must sleep. By default they spin, and with any other busy process
    # on the machine that makes the engine three to four times slower.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "augcon.llm.embedded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    with suppress(BrokenPipeError):  # it is gone already; reading its answer tells why
        process.stdin.write(json.dumps([asdict(server) for server in servers]) + "\n")
        process.stdin.flush()
    return process


def _await_urls(process: subprocess.Popen[str]) -> list[str]:
    """The servers' URLs, once both are up. Raises AssetError with what the child said instead."""
    assert process.stdout is not None  # noqa: S101 - pipes were asked for
    assert process.stderr is not None  # noqa: S101
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if line.strip():
        urls: list[str] = json.loads(line)
        # From here on nobody reads it; a full pipe must never stop the child.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return urls
    process.kill()
    raise AssetError(_engine_fault(process.stderr.read()))


def _engine_fault(said: str) -> str:
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    if "libgomp" in said:
        return (
            "the embedded model's engine needs the system library libgomp: install it "
            "(apt install libgomp1), or use a model server with --base-url"
        )
    return (
        f"the embedded model's engine does not start ({last.strip()}). Try again after "
        f"emptying {cache_folder()}, or use a model server with --base-url"
    )


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _serve() -> None:
    """The child: start the servers told by the first line of input, then wait for its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the engine prints is not the answer
    servers = [_launch(_Server(**told)) for told in json.loads(sys.stdin.readline())]
    urls = [f"{server.listening_address}/v1" for server in servers]
    print(json.dumps(urls), file=answers, flush=True)
    sys.stdin.read()  # returns when the parent closes the pipe, or is gone
    os._exit(0)  # stopping the servers in order would wait for their requests in flight


def _launch(told: _Server) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = told.path
    params.model_alias = {told.name}
    params.api_keys = [told.api_key]  # without one, any web page could use the server
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0
    params.n_gpu_layers = 0
    params.n_parallel = told.slots
    params.n_ctx = told.slots * told.slot_tokens  # the total over the slots
    params.n_batch = params.n_ubatch = 512
    params.cache_ram_mib = 0
    params.fit_params = False
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    # Measured, alternating: 0.48 seconds for a question of three candidates, 0.50 with it.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if told.pooling:
        params.embedding = True
        params.pooling_type = getattr(
            xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{told.pooling}"
        )
    return xllamacpp.Server(params)


if __name__ == "__main__":
    _serve()
