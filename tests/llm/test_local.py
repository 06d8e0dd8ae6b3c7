"""Servers in a child process: what is said where the engine does not start. The engine is faked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from augcon.errors import AssetError
from augcon.llm import local
from augcon.llm.local import LocalServers, Serving
from augcon.llm.machine import free_memory, usable_cores

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")

LIBGOMP = 'raise ImportError("libgomp.so.1: cannot open shared object file: No such file")'
ILLEGAL = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)"
REFUSES = """
class CommonParams:
    def __getattr__(self, name):
        made = self.__dict__[name] = CommonParams()
        return made
class llama_flash_attn_type:
    LLAMA_FLASH_ATTN_TYPE_DISABLED = 0
class Server:
    def __init__(self, params):
        raise RuntimeError("unknown model architecture: 'odd'")
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    return path


def fake_engine(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = folder / "engine"
    engine.mkdir()
    (engine / "xllamacpp.py").write_text(code)
    paths = (str(engine), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (LIBGOMP, "apt install libgomp1"),
        (ILLEGAL, "does not run on this processor"),
        (REFUSES, "unknown model architecture"),
        ("import os\nos._exit(3)", "it said nothing"),
    ],
)
async def test_an_engine_that_does_not_start_is_one_line_with_a_way_out(
    code: str, said: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_engine(tmp_path, code, monkeypatch)
    with pytest.raises(AssetError) as caught:
        await LocalServers.start(lambda: [Serving(str(model), "m", 1, 512)])
    assert said in str(caught.value)
    assert "--base-url" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_the_advice_of_whoever_starts_it_is_given(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_engine(tmp_path, REFUSES, monkeypatch)
    with pytest.raises(AssetError, match=r"Is model\.gguf whole"):
        await LocalServers.start(
            lambda: [Serving(str(model), "m", 1, 512)], advice="Is model.gguf whole?"
        )


async def test_what_goes_wrong_in_the_preparation_is_raised_as_it_is() -> None:
    def prepare() -> list[Serving]:
        raise AssetError("no such file")

    with pytest.raises(AssetError, match="no such file"):
        await LocalServers.start(prepare)


async def test_a_start_that_takes_too_long_is_ended_and_told(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_engine(tmp_path, "import time\ntime.sleep(60)", monkeypatch)
    monkeypatch.setattr(local, "START_SECONDS", 1.0)
    with pytest.raises(AssetError, match="has not started in 1 seconds"):
        await LocalServers.start(lambda: [Serving(str(model), "m", 1, 512)])


async def test_a_child_that_says_much_before_it_fails_is_not_blocked_by_its_own_words(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = "import sys\nsys.stderr.buffer.write(b'\\xff warning\\n' * 50_000)\n" + REFUSES
    fake_engine(tmp_path, talks, monkeypatch)
    with pytest.raises(AssetError, match="unknown model architecture"):
        await LocalServers.start(lambda: [Serving(str(model), "m", 1, 512)])


def test_no_more_is_taken_than_the_process_may() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert free_memory() > 0


def test_a_containers_limits_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augcon.llm.machine.GROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    (tmp_path / "memory.stat").write_text("anon 300000\ninactive_file 100000\n")
    assert usable_cores() == 1
    assert free_memory() == 700_000
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 700_000
