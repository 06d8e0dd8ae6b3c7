from __future__ import annotations

from pathlib import Path

import pytest

from augcon.config import BEFORE, OPERATIONAL, Settings, known_keys, load_settings, read_prices
from augcon.errors import SettingsError
from augcon.records import Granularity
from augcon.sections import names_a_file

SERVER = {"model.name": "m", "model.base_urls": ("http://localhost:8000/v1",)}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("tree.min_unit", "tree.min_units"),
        ("tree.maxunits", "tree.max_units"),
        ("model.base_url", "model.base_urls"),
        ("sed", "seed"),
        ("min_units", "tree.min_units"),
        ("selection.similarty", "selection.similarity"),
        ("answers.shot", "answers.shots"),
        ("answer", "answers"),
        ("selecton", "selection"),
        ("selection.mx", "selection.mix"),
        ("model.names", "model.name"),
        ("shots", "answers.shots"),
    ],
)
def test_a_misspelt_setting_is_told_with_the_one_that_was_meant(key: str, meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides={key: 1})
    assert f"unknown setting {key!r}; did you mean {meant!r}?" in str(caught.value)


def test_a_setting_that_is_like_no_other_is_told_without_a_guess() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides={"zzzzzz": 1})
    assert str(caught.value) == "settings: unknown setting 'zzzzzz'"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tree.min_units", 500),
        ("tree.min_units", 501),
        ("tree.min_units", 0),
        ("tree.max_units", -5),
        ("tree.child_precision", 0),
        ("tree.child_precision", 1.1),
        ("tree.temperature", -0.1),
        ("tree.max_passes", 0),
        ("tree.split", "sentences"),
        ("tree.decontextualise", "perhaps"),
        ("selection.units_per_pair", -35),
        ("selection.units_per_pair", 0),
        ("selection.overgenerate", 0.5),
        ("selection.similarity", 2),
        ("scorer.kind", "best"),
        ("scorer.held_out", 1),
        ("answers.shots", -1),
        ("answers.choose", "best"),
        ("answers.search_trials", 1),
        ("answers.search_budget", 7),
        ("model.concurrency", 0),
        ("model.tries", 0),
        ("model.timeout", 0),
        ("model.max_tokens", "many"),
        ("model.name", ""),
        ("seed", -1),
        ("seed", 1.5),
        ("limit", 0),
        ("tree", 5),
    ],
)
def test_an_impossible_value_is_told_in_one_line_with_its_section(key: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides={key: value})
    assert "\n" not in str(caught.value)
    assert key.split(".")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"model.name": "m"}, "give --base-url"),
        ({"model.base_urls": ("http://h/v1",)}, "runs here.*leave out --base-url, or give --model"),
        ({**SERVER, "model.name": "embedded"}, "runs here.*leave out --base-url, or give --model"),
        ({**SERVER, "model.base_urls": ("localhost:8000",)}, "is not an http"),
        ({**SERVER, "model.base_urls": ("ftp://h/v1",)}, "is not an http"),
        ({**SERVER, "model.base_urls": ("http://me:sk-1@h/v1",)}, "no name or password"),
        ({**SERVER, "model.base_urls": ("http://sk-1@h/v1",)}, "no name or password"),
    ],
)
def test_a_model_and_its_server_must_go_together(model: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(overrides=model)
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ({"macro": 0.5}, "needs all three shares; concept and detail not given"),
        ({"macro": 0.5, "detail": 0.5}, "needs all three shares; concept not given"),
        (
            {"macro": 0.5, "concept": 0.3, "detail": 0.3},
            r"must sum to 1; macro 0\.5 \+ concept 0\.3 \+ detail 0\.3 is 1\.1",
        ),
        ({"macro": 0, "concept": 0, "detail": 0}, "must sum to 1"),
        ({"macro": 20, "concept": 30, "detail": 50}, r"selection\.mix\.macro: "),
        ({"macro": -0.5, "concept": 1, "detail": 0.5}, r"selection\.mix\.macro: "),
        ({"macro": 0.2, "concepts": 0.3, "detail": 0.5}, r"did you mean 'selection\.mix\.concept'"),
    ],
)
def test_a_mix_that_is_none_is_told(mix: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(overrides={f"selection.mix.{kind}": share for kind, share in mix.items()})
    assert "\n" not in str(caught.value)
    assert "selection.mix" in str(caught.value)


def test_a_mix_is_made_whole_where_its_shares_were_rounded(tmp_path: Path) -> None:
    file = tmp_path / "augcon.toml"
    file.write_text("[selection.mix]\nmacro = 0.33\nconcept = 0.33\ndetail = 0.33\n")
    shares = load_settings(file).selection.mix.shares
    assert shares == pytest.approx(dict.fromkeys(Granularity, 1 / 3))
    assert sum(shares.values()) == pytest.approx(1)
    assert Settings().selection.mix.shares == {}


def test_a_model_that_has_no_second_answer_is_not_asked_for_one() -> None:
    several = {"answers.samples": 3, "answers.sample_temperature": 0.9}
    assert load_settings(overrides={**SERVER, **several}).answers.samples == 3
    with pytest.raises(SettingsError, match=r"has no second answer.*answers\.samples at 1"):
        load_settings(overrides=several)
    assert load_settings().answers.samples == 1


@pytest.mark.parametrize(
    ("name", "value"), [("samples", 0), ("sample_temperature", 0), ("sample_temperature", 3)]
)
def test_samples_are_one_or_more_and_are_drawn(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"answers\.{name}: "):
        load_settings(overrides={**SERVER, f"answers.{name}": value})


def test_a_model_that_cannot_tell_the_granularity_is_not_asked_for_it() -> None:
    chosen = {"selection.granularity": "model"}
    assert load_settings(overrides={**SERVER, **chosen}).selection.granularity == "model"
    with pytest.raises(SettingsError, match=r"is not for the embedded model.*give --model"):
        load_settings(overrides=chosen)


@pytest.mark.parametrize(
    ("key", "value"),
    [("base", "some/encoder"), ("epochs", 3), ("learning_rate", 1e-4)],
)
@pytest.mark.parametrize("kind", ["auto", "linear", "judge", "heuristic", "random"])
def test_what_only_a_training_with_torch_uses_is_refused_for_other_scorers(
    kind: str, key: str, value: object
) -> None:
    said = {f"scorer.{key}": value}
    with pytest.raises(
        SettingsError, match=rf"scorer\.{key}: only for .*'lora' or 'cross-encoder'"
    ):
        load_settings(overrides={**said, "scorer.kind": kind})
    for trained in ("lora", "cross-encoder"):
        settings = load_settings(overrides={**said, "scorer.kind": trained})
        assert getattr(settings.scorer, key) == value


def test_only_a_search_needs_an_answer_for_each_of_its_sets() -> None:
    few = {"answers.search_trials": 10, "answers.search_budget": 9}
    with pytest.raises(SettingsError, match=r"search_budget \(9\) must not be below search_trials"):
        load_settings(overrides=few)
    assert load_settings(overrides={**few, "answers.choose": "bootstrapped"})


def test_nearest_examples_and_no_embeddings_do_not_go_together() -> None:
    nearest = {"answers.choose": "nearest", "model.embeddings": "off"}
    with pytest.raises(SettingsError, match=r'answers\.choose = "nearest" needs embeddings'):
        load_settings(overrides={**SERVER, **nearest})
    assert load_settings(overrides={**SERVER, "answers.choose": "nearest"})


def test_a_linear_scorer_and_no_embeddings_do_not_go_together() -> None:
    off = {**SERVER, "model.embeddings": "off"}
    with pytest.raises(SettingsError, match=r'scorer\.kind = "linear" needs embeddings'):
        load_settings(overrides={**off, "scorer.kind": "linear"})
    assert load_settings(overrides=off).scorer.kind == "auto"


@pytest.mark.parametrize("said", ["terse", "limits", "my-own"])
def test_principles_without_a_path_or_an_ending_are_the_name_of_a_set(said: str) -> None:
    assert load_settings(overrides={"answers.principles": said}).answers.principles == said
    assert not names_a_file(said)


@pytest.mark.parametrize("said", ["p.md", "notes.TXT", "./terse", "mine/terse", "C:\\terse"])
def test_principles_with_a_path_or_an_ending_are_a_file(said: str, tmp_path: Path) -> None:
    assert names_a_file(said)
    file = tmp_path / "augcon.toml"
    file.write_text(f"[answers]\nprinciples = '{said}'\n")
    assert load_settings(file).answers.principles == str(tmp_path / said)
    found = load_settings(overrides={"answers.principles": tmp_path / "p.md"})
    assert found.answers.principles == str(tmp_path / "p.md")


def test_no_principles_at_all_is_no_setting() -> None:
    with pytest.raises(SettingsError, match=r"answers\.principles"):
        load_settings(overrides={"answers.principles": ""})


def test_the_embedded_model_does_not_answer_in_chinese() -> None:
    with pytest.raises(SettingsError, match="writes English only; give --model"):
        load_settings(overrides={"answers.language": "zh"})
    assert load_settings(overrides={"answers.language": "en"}).answers.language == "en"
    chosen = {**SERVER, "answers.language": "zh"}
    assert load_settings(overrides=chosen).answers.language == "zh"
    with pytest.raises(SettingsError, match=r"answers\.language"):
        load_settings(overrides={**SERVER, "answers.language": "fr"})


def test_what_an_earlier_version_did_is_said_by_settings_of_today_and_is_their_default() -> None:
    defaults = Settings().identity()
    assert set(BEFORE) <= set(known_keys()) - OPERATIONAL
    assert {key: defaults[key] for key in BEFORE} == BEFORE
    assert not {"answers.verify", "answers.mention_source", "scorer.negatives"} & set(BEFORE)


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"seed: .*; .*tree.temperature: "):
        load_settings(overrides={"seed": -1, "tree.temperature": 9})


def test_a_snapshot_gives_the_same_settings_back(tmp_path: Path) -> None:
    changed = {
        **SERVER,
        "seed": 7,
        "limit": 3,
        "tree.min_units": 30,
        "answers.principles": str(tmp_path / "principles.md"),
        "selection.granularity": "model",
        "selection.mix.macro": 0.2,
        "selection.mix.concept": 0.3,
        "selection.mix.detail": 0.5,
        "model.price_per_million_prompt_tokens": 0.5,
    }
    for overrides in ({}, changed):
        settings = load_settings(overrides=overrides)
        snapshot = tmp_path / "config.toml"
        snapshot.write_text(settings.to_toml(), encoding="utf-8")
        assert load_settings(snapshot) == settings


def test_paths_in_a_file_are_relative_to_it_and_others_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "project" / "augcon.toml"
    file.write_text('prompts = "mine"\n[answers]\nexamples = "e.jsonl"\n')
    monkeypatch.chdir(tmp_path)
    settings = load_settings(Path("project/augcon.toml"), {"answers.principles": "p.md"})
    assert settings.prompts == tmp_path / "project" / "mine"
    assert settings.answers.examples == tmp_path / "project" / "e.jsonl"
    assert settings.answers.principles == str(tmp_path / "p.md")
    (tmp_path / "elsewhere" / "config.toml").write_text(settings.to_toml())
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_settings(Path("config.toml")) == settings


def test_prices_are_read_from_the_snapshot_of_a_version_with_other_settings(tmp_path: Path) -> None:
    snapshot = tmp_path / "config.toml"
    model = "[model]\nprice_per_million_prompt_tokens = 1\n"
    snapshot.write_text(f"{model}price_per_million_completion_tokens = 2.5\n[gone]\nby = 1\n")
    assert read_prices(snapshot) == (1.0, 2.5)
    snapshot.write_text(model)
    assert read_prices(snapshot) is None
    snapshot.write_text("no TOML")
    with pytest.raises(SettingsError, match="not a settings file"):
        read_prices(snapshot)


def test_no_setting_holds_a_key_and_no_snapshot_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    settings = load_settings(overrides=SERVER)
    assert "sk-secret" not in settings.to_toml()
    assert [key for key in known_keys() if "key" in key] == ["model.api_key_env"]


def test_where_and_how_fast_a_run_goes_is_not_part_of_what_it_is() -> None:
    one = load_settings(overrides=SERVER)
    moved = {
        "model.name": "m",
        "model.base_urls": ("https://elsewhere/v1", "https://there/v1"),
        "model.api_key_env": "OTHER_KEY",
        "model.concurrency": 99,
        "model.timeout": 1.0,
        "model.price_per_million_prompt_tokens": 1.0,
        "limit": 2,
        "prompts": "/somewhere",
        "selection.across": "corpus",
    }
    assert load_settings(overrides=moved).identity() == one.identity()
    assert set(known_keys()) >= OPERATIONAL


def test_everything_else_is_part_of_what_a_run_is() -> None:
    base = load_settings(overrides=SERVER)
    identity = base.identity()
    assert set(identity) | OPERATIONAL == set(known_keys())
    other = {"seed": 1, "tree.temperature": 0.5, "answers.shots": 2, "model.name": "n"}
    for key, value in other.items():
        assert load_settings(overrides={**SERVER, key: value}).identity() != identity


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "augcon.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 3\r\n")
    assert load_settings(path).seed == 3


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe\x00", b"[a]\n[a]\n"])
def test_a_file_that_is_no_settings_file_is_told_in_one_line(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "augcon.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: not a settings file")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`augcon init` writes one"):
        load_settings(tmp_path / "nowhere.toml")


def test_the_defaults_are_possible() -> None:
    assert load_settings() == Settings()


def test_how_contexts_are_divided_goes_by_the_model_where_nothing_is_said() -> None:
    assert Settings().split == "boundary"
    assert load_settings(None, SERVER).split == "rewrite"
    assert load_settings(None, {"model.name": "mine.gguf"}).split == "rewrite"
    assert load_settings(None, {**SERVER, "tree.split": "middle"}).split == "middle"


def test_how_contexts_are_divided_is_part_of_a_runs_identity() -> None:
    told = load_settings(None, {**SERVER, "tree.split": "assign", "tree.decontextualise": True})
    assert told.identity()["tree.split"] == "assign"
    assert told.identity()["tree.decontextualise"] is True


@pytest.mark.parametrize("share", [-0.1, 0.5, 1, float("nan")])
def test_a_share_of_pairs_that_know_nothing_is_below_a_half(share: float) -> None:
    with pytest.raises(SettingsError, match=r"answers\.unknown_share: "):
        load_settings(overrides={**SERVER, "answers.unknown_share": share})


def test_the_embedded_model_does_not_say_what_is_not_known() -> None:
    with pytest.raises(SettingsError, match="too small to tell what is not known"):
        load_settings(overrides={"answers.unknown_share": 0.1})
    assert load_settings(overrides={"answers.unknown_share": 0}).answers.unknown_share == 0


def test_a_run_may_go_on_with_another_share_but_not_from_none_to_some() -> None:
    none, some, more = (
        load_settings(overrides={**SERVER, "answers.unknown_share": share}).identity()
        for share in (0, 0.1, 0.2)
    )
    assert some == more
    assert none != some


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.base_urls", ["http://localhost:1/v1", "http://localhost:1/\udcff"]),
        ("model.embeddings", "\udcff"),
        ("prompts", "\udcff"),
        ("answers.examples", "\udcff.jsonl"),
    ],
)
def test_a_setting_that_no_file_could_hold_is_told(key: str, value: object) -> None:
    """As the shell hands a name over whose bytes are no UTF-8."""
    with pytest.raises(SettingsError, match=rf"{key}: .*\\udcff.* is not UTF-8 text"):
        load_settings(None, {"model.name": "m", "model.base_urls": ["http://h/v1"], key: value})
