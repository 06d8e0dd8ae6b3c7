"""Models on this machine: llama.cpp servers in a child process, spoken to like any other server.

    GGUF files ──▶ a child process with a server for each ──▶ base URLs, keys and model names

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
import platform
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from augcon.errors import AssetError, MissingExtraError
from augcon.llm.cache import WAY_OUT, cache_folder

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Check", "Endpoint", "LocalServers", "Serving", "check_engine", "engine_fault"]

START_SECONDS = 60.0
LOAD_BYTES_PER_SECOND = 50e6
ILLEGAL_INSTRUCTION = 0xC000001D  # as Windows says it
KILLED = 9
PURPOSE = "a model on this machine"
EXTRAS = ("gguf", "psutil", "safetensors", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach one of the servers. `name` holds the version of its file, for the journal."""

    base_url: str
    name: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of `augcon doctor`. One that is not `needed` does not make a run fail."""

    what: str
    ok: bool
    detail: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Serving:
    """One server: which file, under which name, and what it takes of the machine.

    slots        requests that it works on at once, each with `slot_tokens` of context
    threads      of the processor
    pooling      what its embeddings are, "LAST" token or "MEAN" of all; without it none are served
    file_bytes   of the file, with all its parts: how long loading may take
    api_key      drawn when it starts; it travels to the child by pipe, never by command line
    """

    path: str
    name: str
    slots: int
    slot_tokens: int
    threads: int = 1
    pooling: str = ""
    file_bytes: int = 0
    api_key: str = ""


class LocalServers:
    """Running servers, in the order in which they were asked for. `close()` them, or enter them."""

    def __init__(
        self,
        process: subprocess.Popen[str],
        servings: Sequence[Serving],
        endpoints: Sequence[Endpoint],
    ) -> None:
        self._process = process
        self.servings = list(servings)
        self.endpoints = list(endpoints)

    @classmethod
    async def start(
        cls, prepare: Callable[[], Sequence[Serving]], advice: str = ""
    ) -> LocalServers:
        """Start what `prepare` says, which runs beside the event loop and may take its time.

        advice  what to do where they do not start
        Raises MissingExtraError, AssetError, or whatever `prepare` raises.
        """
        if any(importlib.util.find_spec(name) is None for name in EXTRAS):
            raise MissingExtraError(PURPOSE, "local")
        return await _in_background(lambda: cls._start(prepare(), advice))

    @classmethod
    def _start(cls, servings: Sequence[Serving], advice: str) -> LocalServers:
        told = [replace(serving, api_key=secrets.token_urlsafe(24)) for serving in servings]
        process = _spawn(told)
        try:
            urls = _await_urls(process, _loading_seconds(told), advice)
        except BaseException:
            _stop(process)
            raise
        named = zip(told, urls, strict=True)
        return cls(process, told, [Endpoint(url, one.name, one.api_key) for one, url in named])

    async def close(self) -> None:
        """Stop at once, whatever is in flight."""
        _stop(self._process)

    async def __aenter__(self) -> LocalServers:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _in_background(start: Callable[[], LocalServers]) -> LocalServers:
    """Run `start` beside the event loop, in a thread that a program which ends does not wait for.

    What asyncio's own threads do is waited for at the end, and preparing a file takes seconds
    that nobody who has pressed Ctrl-C wants to wait.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[LocalServers] = loop.create_future()

    def hand_over(servers: LocalServers | None, error: BaseException | None) -> None:
        if done.cancelled():
            if servers is not None:
                _stop(servers._process)
        elif servers is not None:
            done.set_result(servers)
        elif error is not None:
            done.set_exception(error)

    def work() -> None:
        servers: LocalServers | None = None
        failure: BaseException | None = None
        try:
            servers = start()
        except BaseException as error:  # carried to the one who waits
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the program is ending, and the child too
            loop.call_soon_threadsafe(hand_over, servers, failure)

    threading.Thread(target=work, daemon=True).start()
    return await done


def _spawn(servers: Sequence[Serving]) -> subprocess.Popen[str]:
    # PASSIVE: threads that wait must sleep. By default they spin, and with any other busy process
    # on the machine that makes the engine three to four times slower.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "augcon.llm.local"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=environment,
    )
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    with suppress(BrokenPipeError):  # it is gone already; reading its answer tells why
        process.stdin.write(json.dumps([asdict(server) for server in servers]) + "\n")
        process.stdin.flush()
    return process


def _await_urls(process: subprocess.Popen[str], seconds: float, advice: str) -> list[str]:
    """The servers' URLs, once all are up. Raises AssetError with what the child said instead."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    said = _Said(process)
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    watchdog = threading.Timer(seconds, give_up)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if line.strip():
        urls: list[str] = json.loads(line)
        return urls
    code = process.wait()
    if late.is_set():
        raise AssetError(_fault(f"it has not started in {seconds:.0f} seconds", advice))
    raise AssetError(engine_fault(said.all(), code, advice))


class _Said:
    """The last lines of what the child says; read as it comes, or a full pipe would stop it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        self._kept: deque[str] = deque(maxlen=50)
        self._thread = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._thread.start()

    def _read(self, pipe: TextIO) -> None:
        with suppress(ValueError):  # closed
            self._kept.extend(pipe)

    def all(self) -> str:
        self._thread.join(timeout=5.0)
        return "".join(self._kept)


def _loading_seconds(servings: Sequence[Serving]) -> float:
    """How long the servers may take to load, from a slow disk."""
    sizes = sum({serving.path: serving.file_bytes for serving in servings}.values())
    return START_SECONDS + sizes / LOAD_BYTES_PER_SECOND


def engine_fault(said: str, code: int, advice: str = "") -> str:
    """One line on why the engine does not start: what it said, how it ended, what to do.

    code  the process's exit status; minus the signal's number where one ended it
    """
    if "libgomp" in said:
        return (
            "the engine for models on this machine needs the system library libgomp: install it "
            "(apt install libgomp1), or use a model server with --base-url"
        )
    if code in (-signal.SIGILL, ILLEGAL_INSTRUCTION):
        return (
            "the engine for models on this machine does not run on this processor "
            f"({platform.machine()}, illegal instruction): use a model server with --base-url"
        )
    if code == -KILLED:
        return _fault("it was killed, probably for lack of memory", advice)
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    return _fault(last.strip()[:300] or f"it said nothing, exit status {code}", advice)


def _fault(why: str, advice: str) -> str:
    otherwise = f"Try again after emptying {cache_folder()}, {WAY_OUT}"
    return f"the engine for models on this machine does not start ({why}). {advice or otherwise}"


def check_engine() -> list[Check]:
    """Whether models can be run on this machine at all. Starts nothing."""
    missing = str(MissingExtraError(PURPOSE, "local"))
    checks = [
        Check(f"package {name}", there, "installed" if there else missing)
        for name in EXTRAS
        for there in [importlib.util.find_spec(name) is not None]
    ]
    if all(check.ok for check in checks):
        checks.append(_check_import())
    return checks


def _check_import() -> Check:
    """Import the engine in a process of its own: a faulty native library may end that process."""
    tried = subprocess.run(
        [sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True, check=False
    )
    if tried.returncode == 0:
        return Check("engine", True, "loads")
    return Check("engine", False, engine_fault(tried.stderr, tried.returncode))


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
    servers = [_launch(Serving(**told)) for told in json.loads(sys.stdin.readline())]
    urls = [f"{server.listening_address}/v1" for server in servers]
    print(json.dumps(urls), file=answers, flush=True)
    sys.stdin.read()  # returns when the parent closes the pipe, or is gone
    os._exit(0)  # stopping the servers in order would wait for their requests in flight


def _launch(told: Serving) -> Any:
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
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = told.threads
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
