"""The documentation says what the program does, and its commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from augcon.cli import app, doctor, export, init, plan, run, score, show, status  # noqa: F401
from augcon.config import known_keys
from tests.simulated_server import KEY, MODEL, Faults, simulated_server
from tests.write_settings_page import PAGE, page

ROOT = Path(__file__).parent.parent
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def options() -> list[tuple[str, str]]:
    """Every command's name with each of its options, the long form."""
    group = typer.main.get_command(app)
    return [
        (name, max(parameter.opts, key=len))
        for name, command in group.commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option" and "--help" not in parameter.opts
    ]


def test_the_settings_page_shows_the_settings_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_is_on_the_settings_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for key in known_keys():
        assert re.search(rf"^(# )?{key.split('.')[-1]} = ", text, re.MULTILINE), key


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert len(options()) > 20
    for name, option in options():
        assert f"## augcon {name}" in text
        assert f"`{option}" in text, (name, option)


def test_ci_runs_the_commands_of_the_readme_word_for_word() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    first, second = SHELL.findall((ROOT / "README.md").read_text(encoding="utf-8"))[:2]
    assert first.strip() in ci
    assert second.strip() in ci


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name in navigation


@pytest.mark.skipif(shutil.which("sh") is None, reason="the tutorial is for a shell")
def test_the_tutorial_runs_from_its_first_command_to_its_last(tmp_path: Path) -> None:
    script = "\n".join(SHELL.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    augcon = binaries / "augcon"
    augcon.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m augcon "$@"\n', encoding="utf-8")
    augcon.chmod(0o755)
    with simulated_server(Faults(key=KEY)) as server:
        environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "BASE_URL": server.url,
            "MODEL": MODEL,
            "OPENAI_API_KEY": KEY,
        }
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/tutorial/report.html").is_file()
    assert len((tmp_path / "alpaca.jsonl").read_text(encoding="utf-8").splitlines()) > 50
