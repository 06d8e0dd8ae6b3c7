"""A model that writes half a character, as JSON can escape it, is asked again and costs no more."""

from __future__ import annotations

from pathlib import Path

import pytest

import augcon
from augcon.characters import REPLACEMENT
from tests.e2e.program import dataset, journalled, state
from tests.e2e.test_faults import asked_twice, failures, run
from tests.simulated_server import Faults, simulated_server
from tests.small_corpora import write_corpus


@pytest.mark.parametrize("refuse_schema", [False, True], ids=["json", "marked"])
def test_half_a_character_in_a_tenth_of_the_replies_fails_nothing_and_is_in_no_pair(
    tmp_path: Path, refuse_schema: bool
) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=2, chinese_files=2)
    out = tmp_path / "out"
    with simulated_server(Faults(refuse_schema=refuse_schema, half_character=0.1)) as server:
        run(corpus, out, server)
        assert augcon.open(out).books.calls.unusable >= 10
        assert state(out) == "finished"
        assert failures(out) == {}
        answered = server.log.answered
        run(corpus, out, server)
        assert server.log.answered == answered
        assert asked_twice(server) == set()
        assert journalled(out) == answered
    written = dataset(out).decode("utf-8")
    assert written.count("\n") > 30
    assert REPLACEMENT not in written
