"""The question before money is spent, at a pseudo-terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.program import at, call, command, environment, rows, small_settings
from tests.simulated_server import Simulation, simulated_server
from tests.small_corpora import english

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)
import pty

QUESTION = "go on? [Y/n]"
SECONDS = 60.0
PRICED = """patience = 0.5
price_per_million_prompt_tokens = 0.5
price_per_million_completion_tokens = 1.5
"""


@pytest.fixture
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture
def arguments(tmp_path: Path, server: Simulation) -> list[object]:
    (tmp_path / "valley.txt").write_text(english(1, 12), encoding="utf-8")
    config = small_settings(tmp_path, model=PRICED)
    out = ["-o", tmp_path / "out", "--config", config]
    return ["run", tmp_path / "valley.txt", *out, *at(server)]


class Terminal:
    """The program with a terminal for input and errors, and a pipe for its output."""

    def __init__(self, *arguments: object) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            env=environment(TERM="xterm"),
        )
        os.close(slave)

    def read_until(self, wanted: str) -> None:
        """Read what is shown up to these words; to the end where they never come."""
        until = time.monotonic() + SECONDS
        while wanted not in self.shown and time.monotonic() < until:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    part = os.read(self.master, 65_536)
                except OSError:  # the other end is closed
                    return
                self.shown += part.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        self.read_until("a text that is never shown")
        try:
            self.process.communicate(timeout=SECONDS)
        finally:
            with suppress(ProcessLookupError):
                self.process.kill()
            os.close(self.master)
        return self.process.returncode


def test_no_asks_nothing_and_leaves_the_run_to_be_begun(
    arguments: list[object], server: Simulation, tmp_path: Path
) -> None:
    terminal = Terminal(*arguments)
    terminal.read_until(QUESTION)
    assert "pairs" in terminal.shown
    assert "cost 0." in terminal.shown
    terminal.type("n\n")
    assert terminal.end() == 130
    assert "nothing was asked" in terminal.shown
    assert server.log.requests == 0
    assert call(*arguments).returncode == 0
    assert rows(tmp_path / "out")


@pytest.mark.parametrize("answer", ["\n", "y\n", "Yes\n"])
def test_yes_goes_on_to_the_end(arguments: list[object], tmp_path: Path, answer: str) -> None:
    terminal = Terminal(*arguments)
    terminal.read_until(QUESTION)
    terminal.type(answer)
    assert terminal.end() == 0
    assert rows(tmp_path / "out")


def test_ctrl_c_at_the_question_ends_it(arguments: list[object], server: Simulation) -> None:
    terminal = Terminal(*arguments)
    terminal.read_until(QUESTION)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert server.log.requests == 0


@pytest.mark.parametrize(
    "more", [["--yes"], ["--quiet"], ["--json"], ["--budget", "5"], ["--budget", "9000 calls"]]
)
def test_it_is_not_asked_where_that_was_said_before(
    arguments: list[object], tmp_path: Path, more: list[str]
) -> None:
    terminal = Terminal(*arguments, *more)
    assert terminal.end() == 0
    assert QUESTION not in terminal.shown
    assert rows(tmp_path / "out")


def test_without_prices_or_with_nothing_left_to_do_it_is_not_asked(
    arguments: list[object], tmp_path: Path
) -> None:
    assert Terminal(*arguments, "--yes").end() == 0
    finished = Terminal(*arguments)
    assert finished.end() == 0
    assert QUESTION not in finished.shown
    config = small_settings(tmp_path)
    arguments[arguments.index(tmp_path / "out")] = tmp_path / "other"
    free = Terminal(*arguments, "--config", config)
    assert free.end() == 0
    assert QUESTION not in free.shown


def test_without_a_terminal_it_is_never_asked(arguments: list[object]) -> None:
    ended = call(*arguments)
    assert ended.returncode == 0
    assert QUESTION not in ended.stderr + ended.stdout
