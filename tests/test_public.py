from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import augcon
from tests.e2e.program import command, environment

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "pandas", "xllamacpp", "pydantic", "numpy", "sklearn", "aiohttp", "datasets")
HELP = """
import sys
from augcon.cli import main
sys.argv = ["augcon", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def test_every_public_name_is_there() -> None:
    assert sorted(augcon.__all__) == augcon.__all__
    for name in augcon.__all__:
        assert getattr(augcon, name) is not None
    assert set(augcon.__all__) <= set(dir(augcon))


def test_a_name_that_is_not_there_is_told_as_python_tells_it() -> None:
    with pytest.raises(AttributeError, match="module 'augcon' has no attribute 'rum'"):
        augcon.rum  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import augcon",
        "import augcon.cli",
        HELP,
    ],
)
def test_what_is_heavy_is_not_loaded_before_it_is_used(statement: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys, json\nprint(json.dumps([*sys.modules]))"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    loaded = json.loads(ended.stdout.splitlines()[-1])
    assert "augcon" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_help_answers_at_once() -> None:
    """By the processor's time, which other work on the machine does not lengthen."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command("--help"), capture_output=True, env=environment(), check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.4


def test_help_names_every_command() -> None:
    ended = subprocess.run(
        command("--help"), capture_output=True, text=True, env=environment(), check=True
    )
    for name in ("run", "plan", "init", "status", "show", "export", "score", "doctor"):
        assert f"\n  {name} " in ended.stdout
    version = subprocess.run(
        command("--version"), capture_output=True, text=True, env=environment(), check=True
    )
    assert version.stdout == f"{augcon.__version__}\n"


def test_the_packages_that_an_error_names_are_those_of_the_extra() -> None:
    from augcon.errors import EXTRAS

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for extra, packages in EXTRAS.items():
        listed = pyproject["project"]["optional-dependencies"][extra]
        assert packages.split() == sorted(re.split(r"[><=\[]", entry)[0] for entry in listed)
