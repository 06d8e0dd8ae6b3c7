"""--model FILE.gguf: the ordinary prompts, on this machine, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augcon.llm.assets import GENERATOR
from augcon.llm.cache import fetch
from tests.e2e.program import call

TEXT = (
    "Octopuses have three hearts. Two of them pump blood through the gills, and the third sends "
    "it to the rest of the body. The third heart stops beating when the animal swims, which is "
    "why octopuses prefer to crawl.\n"
)
SETTINGS = """
limit = 1
[model]
max_tokens = 300
[tree]
min_units = 30
max_units = 60
max_passes = 1
[scorer]
pairs = 2
[answers]
choose = "first"
shots = 1
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "octopus.txt").write_text(TEXT)
    (tmp_path / "augcon.toml").write_text(SETTINGS)
    return tmp_path / "corpus"


@pytest.mark.embedded
@pytest.mark.slow
def test_a_file_is_run_here_with_the_ordinary_prompts_and_the_journal(
    corpus: Path, tmp_path: Path
) -> None:
    model = str(fetch(GENERATOR))
    told = ("--config", str(tmp_path / "augcon.toml"), "--model", model)
    out = tmp_path / "run"
    done = call("run", str(corpus), "-o", str(out), *told, "--json")
    # A model of 135 million parameters may bring no pair; what it was asked is in the books.
    assert done.returncode in (0, 1), done.stderr
    status = json.loads(call("status", str(out), "--json").stdout)
    assert status["balanced"]
    assert status["calls"] >= 3
    again = call("run", str(corpus), "-o", str(out), *told, "--json")
    assert again.returncode == done.returncode
    after = json.loads(call("status", str(out), "--json").stdout)
    assert after["calls"] == status["calls"]


@pytest.mark.embedded
@pytest.mark.slow
def test_a_run_does_not_go_on_with_another_file_under_the_same_name(
    corpus: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(fetch(GENERATOR).read_bytes())
    told = ("--config", str(tmp_path / "augcon.toml"), "--model", str(model))
    out = tmp_path / "run"
    (corpus / "squid.txt").write_text(TEXT.replace("Octopuses", "Squids"))
    stopped = call("run", str(corpus), "-o", str(out), *told, "--limit", "1")
    assert stopped.returncode in (0, 1), stopped.stderr
    with model.open("r+b") as file:
        file.seek(-5, 2)
        file.write(b"!!!!!")
    done = call("run", str(corpus), "-o", str(out), *told, "--limit", "2")
    assert done.returncode == 2
    assert "this run was begun with the model file/model-" in done.stderr


def test_the_check_up_looks_into_the_file(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_text("GGUF, it says")
    told = call("doctor", "--model", str(tmp_path / "bad.gguf"))
    assert told.returncode != 0
    assert "not a whole GGUF file" in " ".join(told.stdout.split())


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_file_that_cannot_be_run_costs_one_line_and_no_run(
    command: str, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    told = (command, str(corpus), "--model", str(tmp_path / "none.gguf"))
    done = call(*told, *(("-o", str(out)) if command == "run" else ()))
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.exists()
