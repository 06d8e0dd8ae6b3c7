"""Every way to divide a context, through whole runs in both languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import splitting

import augcon
from augcon.errors import SettingsError
from tests.e2e.program import dataset
from tests.e2e.test_run import SMALL
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import chinese, english

SPLITS = ("rewrite", "boundary", "assign", "semantic", "middle", "recursive")
VERBATIM = ("boundary", "semantic", "middle", "recursive")
ASKED_FOR = {"rewrite": "first", "boundary": "last", "assign": "second"}
SOLD = (
    "In 1801 Tom Hale built the old mill of Harwick beside the river for nine hundred crowns. "
    "He sold it in 1830 to Anna Berg, who let the narrow wheel stand still for eleven dry summers. "
    "This quarrel over the water was ended by the people of Kelby in the cold spring of 1842."
)
SOLD_ZH = (
    "李文远于1801年在青石镇的河边修建了一座古老的水磨坊，一共花去九百银元。"
    "他在1830年把磨坊卖给了赵若兰，赵若兰让狭窄的水轮停转了十一个干旱的夏天。"
    "这场争水的纠纷直到1842年寒冷的春天才由松岭的居民出面平息下来。"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "valley.txt").write_text(f"{english(1, 7)}\n\n{english(2, 6)}\n", encoding="utf-8")
    (folder / "山谷.txt").write_text(f"{chinese(1, 5)}\n\n{chinese(2, 5)}\n", encoding="utf-8")
    return folder


def run(corpus: Path, out: Path, server: Simulation, split: str, **more: object) -> augcon.Result:
    settings = {**SMALL, "tree.split": split, **more}
    return augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=settings)


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_gives_pairs_in_both_languages_and_asks_what_it_must(
    split: str, server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    asked = len(server.log.bodies)
    result = run(corpus, tmp_path / "out", server, split)
    assert result.books.balanced
    assert {pair.language for pair in result} == {"en", "zh"}
    assert max(pair.depth for pair in result) >= 2
    assert result.books.stages["nodes"].failed == 0
    keys = {
        tuple(body["response_format"]["json_schema"]["schema"]["properties"])
        for body in server.log.bodies[asked:]
        if "response_format" in body
    }
    whole = {key for key in keys if key[0] == "question" and len(key) > 1}
    assert {key[1] for key in whole} == ({ASKED_FOR[split]} if split in ASKED_FOR else set())
    if split in VERBATIM:
        texts = {p.name: p.read_text(encoding="utf-8") for p in corpus.iterdir()}
        for pair in result:
            assert texts[pair.document][pair.start : pair.end] == pair.context


@pytest.mark.parametrize("split", ["boundary", "assign", "semantic"])
def test_a_run_that_is_begun_again_asks_nothing(
    split: str, server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    first = run(corpus, tmp_path / "out", server, split)
    before, asked = dataset(first.folder), len(server.log.bodies)
    assert dataset(run(corpus, tmp_path / "out", server, split).folder) == before
    assert len(server.log.bodies) == asked
    assert dataset(run(corpus, tmp_path / "again", server, split).folder) == before


@pytest.mark.parametrize("split", ["boundary", "assign"])
def test_a_server_without_schemas_is_told_numbers_in_marks(
    split: str, corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(refuse_schema=True)) as plain:
        result = run(corpus, tmp_path / "out", plain, split)
    assert result.books.calls.unusable == 0
    assert max(pair.depth for pair in result) >= 2


@pytest.mark.parametrize("split", ["boundary", "middle"])
def test_what_a_cut_breaks_is_mended_and_the_tree_says_so(
    split: str, server: Simulation, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "sold.txt").write_text(SOLD, encoding="utf-8")
    (corpus / "sold-zh.txt").write_text(SOLD_ZH, encoding="utf-8")
    more = {"tree.min_units": 15, "tree.decontextualise": True}
    result = run(corpus, tmp_path / "out", server, split, **more)
    assert result.books.balanced
    roots = [line.split()[0] for line in result.show().splitlines() if " [0:" in line]
    told = [result.show(root) for root in roots]
    assert len(told) == 2
    assert any("mended: Tom Hale sold it in 1830" in tree for tree in told)
    assert any("mended: 李文远在1830年把磨坊卖给了赵若兰" in tree for tree in told)
    plain = run(corpus, tmp_path / "plain", server, split, **{"tree.min_units": 15})
    assert not any("mended" in plain.show(root) for root in roots)
    assert plain.books.calls.calls < result.books.calls.calls


@pytest.mark.parametrize("split", SPLITS)
def test_a_plan_foresees_what_each_split_asks(
    split: str, server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    settings = {"tree.split": split, "scorer.kind": "heuristic", "answers.choose": "first"}
    told = {"model": MODEL, "base_url": server.url, "settings": settings}
    made = augcon.run(corpus, tmp_path / "out", **told).books.calls  # type: ignore[arg-type]
    plan = augcon.plan(corpus, **told)  # type: ignore[arg-type]
    assert plan.calls == pytest.approx(made.calls, rel=0.35)
    assert plan.prompt_tokens == pytest.approx(made.prompt_tokens, rel=0.35)
    assert plan.completion_tokens == pytest.approx(made.completion_tokens, rel=0.35)


def test_a_plan_foresees_that_numbers_are_cheap_and_mending_costs(
    server: Simulation, corpus: Path
) -> None:
    def tokens(**more: object) -> int:
        settings = {f"tree.{key}": value for key, value in more.items()}
        plan = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=0, settings=settings)
        return plan.completion_tokens

    boundary = tokens(split="boundary")
    assert boundary < 0.8 * tokens(split="rewrite")
    assert tokens(split="boundary", decontextualise=True) > boundary
    assert tokens(split="middle") < boundary < tokens(split="assign") + 1


def test_semantic_without_embeddings_is_refused_before_anything_is_asked(
    corpus: Path, tmp_path: Path
) -> None:
    settings = {"tree.split": "semantic"}
    with simulated_server(Faults(embeddings=False)) as plain:
        told = {"model": MODEL, "base_url": plain.url, "settings": settings}
        with pytest.raises(SettingsError, match=r"semantic.*embeddings.*serves none"):
            augcon.run(corpus, tmp_path / "out", **told)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=r"semantic.*embeddings.*serves none"):
            augcon.plan(corpus, **told)  # type: ignore[arg-type]
        (check,) = [c for c in augcon.doctor(**told) if c.what == "split"]  # type: ignore[arg-type]
        asked = [json.dumps(body) for body in plain.log.bodies]
    assert not check.ok
    assert not any("question" in body for body in asked)


def test_the_doctor_says_that_a_server_with_embeddings_can_split_by_meaning(
    server: Simulation,
) -> None:
    settings = {"tree.split": "semantic"}
    checks = augcon.doctor(model=MODEL, base_url=server.url, settings=settings)
    assert [check.ok for check in checks if check.what == "split"] == [True]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tree.split": "rewrite"}, r"embedded model can write.*boundary, semantic, middle"),
        ({"tree.split": "assign"}, r"embedded model can write.*boundary, semantic, middle"),
        ({"tree.decontextualise": True}, "decontextualise asks more than the embedded model"),
        (
            {"model.name": "m", "model.base_urls": ["http://h/v1"], "tree.decontextualise": True},
            "written to stand alone",
        ),
        (
            {
                "model.name": "m",
                "model.base_urls": ["http://h/v1"],
                "model.embeddings": "off",
                "tree.split": "semantic",
            },
            "embeddings is off",
        ),
    ],
)
def test_a_split_that_the_model_cannot_do_is_refused_by_run_plan_and_doctor(
    settings: dict[str, object], said: str, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=said):
        augcon.run(corpus, tmp_path / "out", settings=settings)
    with pytest.raises(SettingsError, match=said):
        augcon.plan(corpus, settings=settings)
    with pytest.raises(SettingsError, match=said):
        augcon.doctor(settings=settings)
    assert not (tmp_path / "out").exists()


def test_the_benchmark_compares_them_on_the_same_roots(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["--simulated", "--no-similarity", "--roots", "1", "--corpus", str(corpus)]
    rows = splitting.main([*told, "--json", str(tmp_path / "rows.json")])
    assert {(row.language, row.strategy) for row in rows} == {
        (language, strategy) for language in ("en", "zh") for strategy in splitting.AT_A_SERVER
    }
    assert all(row.kept > 0 and row.depth >= 2 for row in rows)
    verbatim = [row for row in rows if row.strategy not in ("rewrite", splitting.MEND)]
    assert all(row.coverage == 1 and row.foreign == pytest.approx(0) for row in verbatim)
    written = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert len(written["rows"]) == len(rows)
    assert written["target"]["en"]["tokens_of_rewrite"] < 1
    assert "boundary / rewrite" in capsys.readouterr().out
