"""What `sh examples/quickstart.sh` has left behind: the embedded model on the examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import augcon

ROOT = Path(__file__).parents[2]
RUN = ROOT / "runs" / "quickstart"


@pytest.fixture(scope="module")
def result() -> augcon.Result:
    if not (RUN / "dataset" / "train.jsonl").exists():
        pytest.skip("the quickstart has not been run here; CI runs it before the tests")
    return augcon.open(RUN)


def test_the_books_balance_and_hold_the_chinese_articles_as_not_readable(
    result: augcon.Result,
) -> None:
    books = result.books
    assert books.balanced
    assert books.state == "finished"
    assert set(books.stages["contexts"].rejected) == {"language_not_supported"}
    left_out = result.show().split("left out")[1]
    articles = sorted((ROOT / "examples" / "corpus" / "zh").iterdir())
    assert len(articles) >= 3
    for article in articles:
        assert f"zh/{article.name}" in left_out


def test_there_are_pairs_from_three_depths_and_every_english_article(
    result: augcon.Result,
) -> None:
    pairs = list(result)
    assert len({pair.depth for pair in pairs}) >= 3
    articles = {f"en/{path.name}" for path in (ROOT / "examples" / "corpus" / "en").iterdir()}
    assert {pair.document for pair in pairs} == articles


def test_every_span_reads_the_text_that_its_context_covers(result: augcon.Result) -> None:
    for pair in result:
        text = (ROOT / "examples" / "corpus" / pair.document).read_text("utf-8")
        assert text[pair.start : pair.end] == pair.context
        assert pair.answer in pair.context


def test_the_export_holds_every_pair(result: augcon.Result) -> None:
    lines = (RUN / "dataset" / "messages.jsonl").read_text("utf-8").splitlines()
    asked = [json.loads(line)["messages"] for line in lines]
    assert [turns[-2]["content"] for turns in asked] == [pair.question for pair in result]
