"""The simulated server as a process of its own, which can be killed and started again."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from tests.simulation.engine import Engine
from tests.simulation.faults import SHARES, Faults
from tests.simulation.log import Log
from tests.simulation.server import Simulation, listening

ROOT = Path(__file__).parents[2]
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 501, 502, 503, 504, 529, 599)
PATIENCE = 20.0  # seconds for a start, and for statistics
KINDS = {"int": int, "int | None": int, "float": float, "str": str, "str | None": str}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed. The first line printed is the URL."""
    given = vars(_parser().parse_args(arguments))
    status = {code: share for code in STATUSES if (share := given.pop(f"rate_{code}"))}
    engine = Engine(**{field.name: given[field.name] for field in _settings(Engine)})
    faults = Faults(status=status, **{f.name: given[f.name] for f in _settings(Faults)})
    with suppress(KeyboardInterrupt):
        log = Log(keep_bodies=False, record=given["record"])
        asyncio.run(_serve(Simulation(faults, engine, log), given["port"]))


async def _serve(simulation: Simulation, port: int) -> None:
    async with listening(simulation, port):
        print(simulation.url, flush=True)
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.simulated_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", default="", help="file to add every request to")
    for status in STATUSES:
        parser.add_argument(_flag(str(status), share=True), type=float, default=0.0)
    for field in (*_settings(Engine), *_settings(Faults)):
        flag = _flag(field.name, field.name in SHARES)
        if field.type == "bool":
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag, dest=field.name, action=action, default=field.default)
        else:
            kind = KINDS[str(field.type)]
            parser.add_argument(flag, dest=field.name, type=kind, default=field.default)
    return parser


def _settings(kind: type[Engine | Faults]) -> list[Field[Any]]:
    return [f for f in fields(kind) if f.init and f.name != "status"]


def _flag(name: str, share: bool = False) -> str:
    return f"--{'rate-' if share else ''}{name.replace('_', '-')}"


def _arguments(faults: Faults, engine: Engine) -> Iterator[str]:
    """The command line that gives these settings."""
    for status, share in faults.status.items():
        yield f"{_flag(str(status), share=True)}={share}"
    for settings in (engine, faults):
        for field in _settings(type(settings)):
            value = getattr(settings, field.name)
            if value == field.default:
                continue
            flag = _flag(field.name, field.name in SHARES)
            if field.type == "bool":
                yield flag if value else flag.replace("--", "--no-", 1)
            else:
                yield f"{flag}={value}"


class ServerProcess:
    """A handle on the process. Statistics begin anew with every start."""

    def __init__(self, arguments: Sequence[str], port: int) -> None:
        self._arguments = arguments
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """On the port that it had before, if there was one."""
        command = [sys.executable, "-m", "tests.simulated_server", f"--port={self._port}"]
        self._process = subprocess.Popen(
            [*command, *self._arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the simulated server did not start"
        self._port = int(self.url.removesuffix("/v1").rpartition(":")[2])

    def stats(self, start: float | None = None, end: float | None = None) -> dict[str, Any]:
        """`Log.totals`; with a start, also the busy share of the window up to the end (or now)."""
        query = "&".join(f"{k}={v!r}" for k, v in (("start", start), ("end", end)) if v is not None)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"{self.url.removesuffix('/v1')}/stats?{query}"
        with opener.open(url, timeout=PATIENCE) as reply:
            told: dict[str, Any] = json.load(reply)
        return told

    def kill(self) -> None:
        """With SIGKILL: what it was doing is lost, as when a machine goes away."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It takes connections and answers nothing while the block lasts, as when it is starved."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def simulated_process(
    faults: Faults | None = None, engine: Engine | None = None, port: int = 0, record: str = ""
) -> Iterator[ServerProcess]:
    """The server in a process of its own, for as long as the block lasts."""
    arguments = [*_arguments(faults or Faults(), engine or Engine()), f"--record={record}"]
    process = ServerProcess(arguments, port)
    process.start()
    try:
        yield process
    finally:
        process.kill()
