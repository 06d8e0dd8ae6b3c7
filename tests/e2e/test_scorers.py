"""What becomes of a run's scorer: saved, warned of, trained with torch, taken up again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

import augcon
from augcon import fitting
from augcon.errors import MissingExtraError, ScorerError, SettingsError
from augcon.scorer import Accuracy, Contrast, Fit, Item, Score, fingerprint, fit, read_card
from augcon.scorer.saved import Card, write_card
from augcon.watch import Watch
from tests.e2e.program import call, dataset
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

SMALL = {
    "tree.max_units": 150,
    "tree.max_passes": 1,
    "scorer.pairs": 12,
    "answers.choose": "first",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def run(
    corpus: Path, out: Path, server: Simulation, watch: Watch | None = None, **more: object
) -> augcon.Result:
    settings = {**SMALL, **{f"scorer.{key}": value for key, value in more.items()}}
    return augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=settings, watch=watch)


def fitted_with(monkeypatch: pytest.MonkeyPatch, right: int, pairs: int) -> None:
    """Have every fit find this accuracy."""

    def measured(*arguments: object) -> Fit:
        found = fit(*arguments)  # type: ignore[arg-type]
        held_out = {"both": Accuracy(right, pairs), "all": Accuracy(right, pairs)}
        return Fit(found.head, found.strength, found.trained_on, held_out)

    monkeypatch.setattr(fitting, "fit", measured)


def facts(result: augcon.Result) -> dict[str, object]:
    text = (result.folder / "scorer" / "scorer.json").read_text(encoding="utf-8")
    told: dict[str, object] = json.loads(text)
    return told


def page(result: augcon.Result) -> str:
    return (result.folder / "report.html").read_text(encoding="utf-8")


def test_a_run_saves_the_scorer_that_ranked_it_with_the_report_of_its_fit(
    corpus: Path, tmp_path: Path, server: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_with(monkeypatch, 90, 100)
    watch, said = Watch(), list[str]()
    watch.say = said.append
    result = run(corpus, tmp_path / "out", server, watch)
    told = facts(result)
    assert (told["kind"], told["base"]) == ("linear", MODEL)
    assert told["held_out"]["all"]["right"] == 90  # type: ignore[index]
    assert "warning" not in told
    assert result.books.warning == ""
    assert said == []
    assert result.books.ranking == "a scorer that ranks 90 of 100 held-out pairs right"


@pytest.mark.parametrize(
    ("kind", "right", "pairs", "ranker"),
    [
        ("auto", 0, 6, "heuristic"),  # which ranks no fewer right
        ("auto", 500, 1000, "linear"),  # the heuristic ranks fewer of the few that there are
        ("linear", 0, 6, "linear"),
    ],
)
def test_a_scorer_that_is_no_better_than_chance_is_told_wherever_one_looks(
    kind: str,
    right: int,
    pairs: int,
    ranker: str,
    corpus: Path,
    tmp_path: Path,
    server: Simulation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted_with(monkeypatch, right, pairs)
    watch, said = Watch(), list[str]()
    watch.say = said.append
    result = run(corpus, tmp_path / "out", server, watch, kind=kind)
    told = f"ranks {right} of {pairs} held-out pairs right"
    (line,) = said
    assert line.startswith("WARNING: the fitted scorer")
    for text in (line, result.books.warning, str(facts(result)["warning"]), page(result)):
        assert told in text
        assert "no better than chance" in text
        assert ("by the heuristic instead" in text) == (ranker == "heuristic")
    assert facts(result)["kind"] == ranker
    status = call("status", tmp_path / "out")
    assert f"WARNING: {result.books.warning}" in status.stdout
    assert told in json.loads(call("status", tmp_path / "out", "--json").stdout)["warning"]
    assert len(result) > 5


def test_the_command_warns_on_the_terminal_at_once_and_at_the_end(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    """So few are held out that no scorer can be told from chance."""
    config = tmp_path / "few.toml"
    config.write_text(
        '[tree]\nmax_units = 150\nmax_passes = 1\n[answers]\nchoose = "first"\n'
        '[scorer]\nkind = "linear"\npairs = 10\nnegatives = "weakened"\nheld_out = 0.01\n'
    )
    ended = call(
        *("run", corpus, "-o", tmp_path / "out", "--config", config),
        *("--base-url", server.url, "--model", MODEL),
    )
    assert ended.returncode == 0, ended.stderr
    books = augcon.open(tmp_path / "out").books
    assert "no better than chance" in books.warning
    assert f"augcon: WARNING: {books.warning}" in ended.stderr
    assert f"WARNING: {books.warning}" in ended.stdout


@pytest.mark.parametrize("kind", ["linear", "lora", "cross-encoder"])
def test_a_chosen_scorer_that_too_few_pairs_keep_from_being_fitted_is_warned_of(
    kind: str, corpus: Path, tmp_path: Path, server: Simulation, torch: Trainings
) -> None:
    watch, said = Watch(), list[str]()
    watch.say = said.append
    result = run(corpus, tmp_path / "out", server, watch, kind=kind, pairs=1, negatives="weakened")
    assert torch.trained == []
    (line,) = said
    assert line.startswith(f"WARNING: no {kind} scorer could be fitted (only 3 contrast pairs")
    for text in (line, result.books.warning, str(facts(result)["warning"]), page(result)):
        assert "ranked by the heuristic instead" in text
    assert facts(result)["kind"] == "heuristic"


def test_auto_goes_without_pairs_as_it_says(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    result = run(corpus, tmp_path / "out", server, pairs=1, negatives="weakened")
    assert (facts(result)["kind"], result.books.warning) == ("heuristic", "")


def test_a_linear_scorer_is_refused_where_the_server_turns_out_to_serve_no_embeddings(
    corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(embeddings=False)) as plain:
        with pytest.raises(SettingsError, match="needs embeddings, and this model serves none"):
            run(corpus, tmp_path / "out", plain, kind="linear")
        assert plain.log.requests <= 3  # what a server can do was asked, and nothing else
        assert run(corpus, tmp_path / "auto", plain).books.warning == ""


def test_a_fresh_run_sets_the_earlier_scorer_aside(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    out = tmp_path / "out"
    run(corpus, out, server, kind="random")
    known = fingerprint(out / "scorer")
    settings = {**SMALL, "scorer.kind": "heuristic"}
    augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=settings, fresh=True)
    assert fingerprint(out / "scorer.1") == known
    assert read_card(out / "scorer").kind == "heuristic"


@dataclass(frozen=True)
class FakeOptions:
    base: str = ""
    epochs: int = 6
    learning_rate: float = 5e-5
    seed: int = 0


ACCURACY = {"all": Accuracy(61, 70)}


@dataclass
class Trained:
    """A scorer that stands for one trained with torch: longer questions are better."""

    options: str
    accuracy: dict[str, Accuracy]

    @property
    def kind(self) -> str:
        return "lora"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(float(len(item.question))) for item in items]

    def save(self, folder: Path) -> None:
        (folder / "adapter.txt").write_text(self.options)
        write_card(folder, Card("lora", "tiny"))


class Trainings(ModuleType):
    """In place of the module that needs torch."""

    TorchOptions = FakeOptions

    def __init__(self) -> None:
        super().__init__("augcon.scorer.torch_scorer")
        self.trained: list[tuple[Sequence[Contrast], Sequence[Contrast], FakeOptions]] = []
        self.loaded: list[Path] = []

    def default_options(self, kind: str) -> FakeOptions:
        return FakeOptions(base=f"default of {kind}")

    def train_torch_scorer(
        self,
        kind: str,
        contrasts: Sequence[Contrast],
        tested: Sequence[Contrast],
        options: FakeOptions,
        folder: Path,
    ) -> Trained:
        self.trained.append((contrasts, tested, options))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state of the training").write_text("an epoch")
        return Trained(repr(options), ACCURACY)

    def load_torch_scorer(self, folder: Path) -> Trained:
        self.loaded.append(folder)
        return Trained((folder / "adapter.txt").read_text(), ACCURACY)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    module, installed = Trainings(), ModuleType("torch")
    installed.__spec__ = ModuleSpec("torch", None)
    monkeypatch.setitem(sys.modules, "torch", installed)
    monkeypatch.setitem(sys.modules, "augcon.scorer.torch_scorer", module)
    return module


def test_a_scorer_of_torchs_is_trained_once_tested_on_other_roots_and_loaded_afterwards(
    torch: Trainings, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with simulated_server() as server:

        def go(limit: int | None = None) -> augcon.Result:
            settings = {**SMALL, "scorer.kind": "lora", "scorer.epochs": 3, "seed": 5}
            return augcon.run(
                corpus, out, model=MODEL, base_url=server.url, settings=settings, limit=limit
            )

        result = go()
        assert not any("input" in body and body["input"] != "probe" for body in server.log.bodies)
        ((learned, tested, options),) = torch.trained
        assert options == FakeOptions("default of lora", 3, 5e-5, 5)
        roots = {c.context.root_id for c in learned}, {c.context.root_id for c in tested}
        assert roots[0].isdisjoint(roots[1])
        assert all(roots)
        assert result.books.stages["contrasts"].kept == len(learned) + len(tested)
        told = facts(result)
        assert tested
        measured = told["held_out"]["all"]  # type: ignore[index]
        assert Accuracy(measured["right"], measured["pairs"]) == ACCURACY["all"]  # not once more
        assert sorted(p.name for p in (out / "scorer").iterdir()) == ["adapter.txt", "scorer.json"]
        assert "low-rank adapter" in page(result)
        forget_a_context(out)
        before = dataset(out)
        assert dataset(go().folder) == before
        assert len(torch.trained) == 1
        assert torch.loaded == [out / "scorer"]
        forget_a_context(out)
        (out / "scorer" / "adapter.txt").write_text("another")
        with pytest.raises(ScorerError, match=r"adapter\.txt has changed"):
            go()
    scored = augcon.score(out / "dataset" / "train.jsonl", tmp_path / "s", **saved(torch, out))
    assert scored.unscored == 0


def forget_a_context(out: Path) -> None:
    """As if the run had been stopped before its first context was finished."""
    import sqlite3

    with sqlite3.connect(out / "run.db") as database:
        database.execute("UPDATE contexts SET state = 'pending' WHERE state = 'kept'")
        database.execute("DELETE FROM meta WHERE key = 'finished'")


def saved(torch: Trainings, out: Path) -> dict[str, object]:
    """The run's scorer, whole again, and how it is asked for."""
    Trained("whole", ACCURACY).save(out / "scorer")
    return {"scorer": out / "scorer", "key": "again"}


def test_without_torch_the_kind_says_what_to_install_before_anything_is_asked(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with (
        simulated_server() as server,
        pytest.raises(MissingExtraError, match="torch"),
    ):
        run(corpus, tmp_path / "out", server, kind="lora")
    assert server.log.bodies == []
