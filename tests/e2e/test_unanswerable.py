"""Questions that no context answers: found, rejected, and kept in the share that is asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import augcon
from augcon.errors import BudgetSpentError, ModelError, SettingsError
from augcon.store import Run
from tests.e2e.program import call, dataset, rows
from tests.e2e.test_run import SMALL
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import chinese, english

UNTOLD = "Quillon|玄机"
TOLD_BY = "Zemblan|宝鉴"
DOUBTS = ("unanswerable: The passage", "不可答：文段")
REVISES = ("You correct answers.", "你的任务是改正回答")
REPLIES = ("person who does not know", "确实不知道的人")


def write_corpus(folder: Path) -> Path:
    """Every other sentence speaks of what no passage tells more about; the last one of each
    paragraph holds what would."""
    folder.mkdir(parents=True)
    for number in range(2):
        told = english(number, 9).replace(". ", ". The Quillon was kept there too. ")
        told += " A Zemblan ledger lay beside it."
        (folder / f"valley-{number}.txt").write_text(told, encoding="utf-8")
        told_zh = chinese(number, 8).replace("。", "。玄机，也在那里。")
        (folder / f"山谷-{number}.md").write_text(f"{told_zh}宝鉴，放在旁边。", encoding="utf-8")
    return folder


def run(folder: Path, server: Simulation, name: str = "out", **settings: object) -> augcon.Result:
    corpus = folder / "corpus"
    if not corpus.exists():
        write_corpus(corpus)
    names = {key.replace("__", "."): value for key, value in settings.items()}
    return augcon.run(
        corpus,
        folder / name,
        model=MODEL,
        base_url=server.url,
        settings={**SMALL, "scorer.kind": "heuristic", **names},
    )


def asked_with(server: Simulation, phrases: tuple[str, str], since: int = 0) -> list[str]:
    bodies = (json.dumps(body, ensure_ascii=False) for body in server.log.bodies[since:])
    return [body for body in bodies if any(phrase in body for phrase in phrases)]


def unknown(result: augcon.Result) -> list[dict[str, object]]:
    return [row for row in rows(result.folder) if row["meta"]["unknown"]]  # type: ignore[index]


def test_the_question_is_rejected_that_the_model_rightly_refuses_to_answer(tmp_path: Path) -> None:
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, answers__verify="model")
        doubted, revised = asked_with(server, DOUBTS), asked_with(server, REVISES)
        assert asked_with(server, REPLIES) == []
    answers = result.books.stages["answers"]
    assert answers.rejected.keys() == {"unanswerable"}
    assert len(doubted) == answers.rejected["unanswerable"] > 2
    assert revised == []
    assert unknown(result) == []
    assert result.books.balanced
    shown = [augcon.open(result.folder).show(root) for root in {p.root_id for p in result}]
    assert sum(text.count("(unanswerable)") for text in shown) > 0


def test_without_a_judge_two_refusals_are_the_models_own_word(tmp_path: Path) -> None:
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, answers__verify="lexical")
        assert asked_with(server, DOUBTS) == []
        revised = asked_with(server, REVISES)
    rejected = result.books.stages["answers"].rejected
    assert rejected == {"unanswerable": len(revised)}
    assert rejected["unanswerable"] > 2


@pytest.mark.parametrize("verify", ["off", "lexical", "model"])
def test_an_honest_reply_is_kept_in_the_share_that_is_asked_for(
    tmp_path: Path, verify: str
) -> None:
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, answers__verify=verify, answers__unknown_share=0.2)
        found, books = unknown(result), result.books
        first, asked = dataset(result.folder), len(server.log.bodies)
        again = run(tmp_path, server, answers__verify=verify, answers__unknown_share=0.2)
        assert dataset(again.folder) == first
        less = run(tmp_path, server, answers__verify=verify, answers__unknown_share=0.05)
        assert len(server.log.bodies) == asked
    assert books.balanced
    assert 0.1 * books.pairs < len(found) <= 0.2 * books.pairs
    assert books.unknown == len(found)
    assert books.stages["answers"].rejected["unanswerable"] > 0
    assert {row["language"] for row in found} == {"en", "zh"}
    for row in found:
        assert str(row["answer"]).startswith(("I do not know", "我不知道"))
        assert row["meta"]["verification"]["method"] == "root"  # type: ignore[index]
    ids = {row["id"] for row in unknown(less)}
    assert ids < {row["id"] for row in found}
    assert len(ids) <= 0.05 * less.books.pairs
    assert less.books.balanced


def test_what_the_rest_of_the_root_tells_gets_no_reply(tmp_path: Path) -> None:
    with simulated_server(Faults(untold=UNTOLD, told_by=TOLD_BY)) as server:
        result = run(tmp_path, server, answers__verify="lexical", answers__unknown_share=0.4)
        doubted, written = asked_with(server, DOUBTS), asked_with(server, REPLIES)
    whole = {p.root_id for p in result if "Zemblan" in p.context or "宝鉴" in p.context}
    assert result.books.stages["answers"].rejected["unanswerable"] > 0
    assert len(doubted) > len(written)
    kept = [pair for pair in result if pair.unknown]
    assert not whole & {pair.root_id for pair in kept}


def test_a_run_that_is_stopped_and_goes_on_keeps_the_same_replies(tmp_path: Path) -> None:
    told: dict[str, object] = {"answers__verify": "model", "answers__unknown_share": 0.2}
    with simulated_server(Faults(untold=UNTOLD)) as server:
        whole = run(tmp_path, server, "whole", **told)
        needed, expected = len(server.log.bodies), dataset(whole.folder)
        with pytest.raises(BudgetSpentError):
            run(
                *(tmp_path, server, "again"),
                **told,
                model__concurrency=1,
                budget__calls=3 * needed // 4,
            )
        part = augcon.open(tmp_path / "again")
        assert part.books.balanced
        assert 0 < part.books.unknown <= 0.2 * part.books.pairs
        again = run(tmp_path, server, "again", **told)
        asked = Counter(json.dumps(body, sort_keys=True) for body in server.log.bodies[needed:])
    assert dataset(again.folder) == expected
    assert sum(asked.values()) <= needed + 2  # probes of what the server can do


def test_repeats_in_the_whole_dataset_are_left_out_and_the_share_still_holds(
    tmp_path: Path,
) -> None:
    told: dict[str, object] = {"selection__across": "corpus", "selection__similarity": 0.5}
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, **told, answers__unknown_share=0.2)
        first = dataset(result.folder)
        run(tmp_path, server, **told, answers__unknown_share=0.2)
    assert dataset(result.folder) == first
    books = result.books
    assert books.stages["answers"].rejected["repeated_elsewhere"] > 0
    assert 0 < books.unknown <= 0.2 * books.pairs
    run_ = Run.read(result.folder)
    answered = [asked.text for asked in run_.ledger.asked()]
    run_.close()
    for pair in result:
        if pair.unknown:
            best = max(augcon.rouge_l(pair.question, text).precision for text in answered)
            assert best < 0.5


def test_status_report_and_show_say_which_pairs_these_are(tmp_path: Path) -> None:
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, answers__verify="model", answers__unknown_share=0.2)
    number = result.books.unknown
    said = call("status", result.folder).stdout
    assert f"{number} pairs say 'not known'" in " ".join(said.split())
    assert json.loads(call("status", result.folder, "--json").stdout)["unknown"] == number
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"{number} of them say that something is not known." in page
    assert f"{number} pairs: they say that something is not known" in page
    pair = next(pair for pair in result if pair.unknown)
    assert "nothing in its whole root context that answers it" in augcon.open(result.folder).show(
        pair.id
    )
    assert f"({pair.id}, unknown)" in augcon.open(result.folder).show(pair.root_id)


@pytest.mark.parametrize("verify", ["lexical", "model"])
def test_with_sources_and_several_answers_what_is_not_known_has_neither(
    tmp_path: Path, verify: str
) -> None:
    told: dict[str, object] = {"answers__principles": "cite", "answers__samples": 2}
    told |= {"answers__verify": verify, "answers__unknown_share": 0.2}
    with simulated_server(Faults(untold=UNTOLD)) as server:
        result = run(tmp_path, server, **told)
        written = asked_with(server, REPLIES)
    pairs = list(result)
    honest = [pair for pair in pairs if pair.unknown]
    assert {pair.language for pair in honest} == {"en", "zh"}
    assert written
    assert not any("(Source: NAME)" in body or "（来源：NAME）" in body for body in written)
    for pair in pairs:
        assert (f"[{pair.document}]" in pair.answer) is not pair.unknown
    for pair in honest:
        assert {draft.verdict.reason for draft in pair.drafts} == {"refusal"}
        assert pair.answer.startswith(("I do not know", "我不知道"))
    result.export(tmp_path / "dpo.jsonl", "dpo")
    preferred = (tmp_path / "dpo.jsonl").read_text(encoding="utf-8").splitlines()
    assert not {json.loads(line)["id"] for line in preferred} & {pair.id for pair in honest}
    assert result.books.balanced


def test_the_embedded_model_is_not_asked_what_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(english(1, 5), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"too small to tell what is not known"):
        augcon.run(tmp_path / "a.txt", tmp_path / "out", settings={"answers.unknown_share": 0.1})


def test_a_run_all_of_whose_answers_are_rejected_says_why(tmp_path: Path) -> None:
    with (
        simulated_server(Faults(untold=".")) as server,
        pytest.raises(ModelError, match=r"not one pair: no answer may stand \(\d+ unanswerable\)"),
    ):
        run(tmp_path, server)


def test_pairs_of_what_is_not_known_can_be_left_out_of_an_export(tmp_path: Path) -> None:
    with simulated_server(Faults(untold=UNTOLD, told_by=TOLD_BY)) as server:
        result = run(tmp_path, server, answers__unknown_share=0.3, answers__samples=2)
    honest = {str(row["id"]) for row in unknown(result)}
    assert honest
    for name in ("augcon", "dpo"):
        to = tmp_path / f"{name}.jsonl"
        result.export(to, name, unknown=False)
        kept = {json.loads(line)["id"] for line in to.read_text(encoding="utf-8").splitlines()}
        assert not kept & honest
    assert result.export(tmp_path / "all.jsonl", "augcon") == len(result)
