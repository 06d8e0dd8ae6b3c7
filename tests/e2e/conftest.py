"""A small corpus, and the run over it that nothing disturbed: all others must end as it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Undisturbed, call, dataset, run_command
from tests.simulated_server import simulated_server
from tests.small_corpora import write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), english_files=1, chinese_files=1)


@pytest.fixture(scope="session")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with simulated_server() as server:
        ended = call(*run_command(corpus, out, server.url))
        assert ended.returncode == 0, ended.stderr
        return Undisturbed(out, dataset(out), len(server.log.bodies))
