from __future__ import annotations

import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon import errors
from augcon.records import (
    Context,
    Document,
    Question,
    State,
    Triplet,
    Verdict,
    content_id,
    failed,
    rejected,
)

parts = st.lists(st.text(max_size=8), max_size=5)


@given(parts, parts)
def test_two_contents_have_the_same_id_only_if_they_are_equal(a: list[str], b: list[str]) -> None:
    assert (content_id(*a) == content_id(*b)) == (a == b)


def test_an_id_is_sixteen_hex_digits_and_never_changes() -> None:
    assert content_id("pair", "a", 1) == content_id("pair", "a", "1")
    assert content_id() == "e4a6a0577479b2b4"
    assert content_id("ab", "c") != content_id("a", "bc")


def test_text_that_is_no_unicode_still_has_an_id() -> None:
    assert len(content_id("\ud800")) == 16


def test_a_root_is_the_root_of_itself_and_holds_the_text_of_its_span() -> None:
    document = Document.of("a.txt", "One. Two. Three.", "en")
    root = Context.root(document, 5, 9, 1, "en")
    assert (root.text, root.depth, root.parent_id) == ("Two.", 0, None)
    assert root.root_id == root.id
    assert root.document_id == document.id


def test_the_id_of_a_child_follows_from_its_parent_its_span_and_its_text() -> None:
    root = Context.root(Document.of("a.txt", "One. Two.", "en"), 0, 9, 2, "en")
    child = root.child("One.", 1, 0, 4)
    assert (child.parent_id, child.root_id, child.depth) == (root.id, root.id, 1)
    same = root.child("One.", 1, 0, 4)
    others = [
        root.child("One!", 1, 0, 4),
        root.child("One.", 1, 0, 3),
        child.child("One.", 1, 0, 4),
    ]
    assert same.id == child.id
    assert len({child.id, *(other.id for other in others)}) == 4


def test_documents_of_equal_text_and_other_names_are_other_documents() -> None:
    assert Document.of("a.txt", "One.", "en").id != Document.of("b.txt", "One.", "en").id


def test_a_question_is_known_by_its_context_and_text_and_not_by_its_pass_or_score() -> None:
    root = Context.root(Document.of("a.txt", "One. Two.", "en"), 0, 9, 2, "en")
    first, again = Question.of(root, "Why?", 0), Question.of(root, "Why?", 3)
    assert first.id == again.id
    assert dataclasses.replace(first, score=2.0).id == first.id
    assert Question.of(root, "How?", 0).id != first.id


def test_records_cannot_be_changed_and_hold_nothing_else() -> None:
    triplet = Triplet.of("c", "q", "a", "en")
    with pytest.raises(dataclasses.FrozenInstanceError):
        triplet.answer = "b"  # type: ignore[misc]
    assert not hasattr(triplet, "__dict__")


def test_only_a_kept_verdict_is_kept() -> None:
    assert Verdict().kept
    assert not rejected("too_short").kept
    assert not failed("unusable_reply").kept
    assert not Verdict(State.PENDING).kept


def test_records_and_errors_can_be_carried_between_processes() -> None:
    root = Context.root(Document.of("a.txt", "One. Two.", "en"), 0, 9, 2, "en")
    question = Question.of(root, "Why?", 1)
    assert pickle.loads(pickle.dumps(question)) == question
    for error in (
        errors.ReplyError("no JSON", "hello"),
        errors.RequestRefused("HTTP 400"),
        errors.ModelError("server gone"),
        errors.StoreError("disk full"),
        errors.MissingExtraError("writing Parquet", "train"),
    ):
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.args) == (type(error), str(error), error.args)
    assert pickle.loads(pickle.dumps(errors.ReplyError("no JSON", "hello"))).reply == "hello"


def test_the_users_mistakes_exit_with_2_and_everything_else_with_1() -> None:
    def kinds_of(kind: type[errors.AugConError]) -> set[type[errors.AugConError]]:
        return {kind}.union(*map(kinds_of, kind.__subclasses__()))

    def exit_codes(kinds: set[type[errors.AugConError]]) -> set[int]:
        return {kind.exit_code for kind in kinds}

    named_wrong = {errors.KeyRefusedError, errors.NotServedError}  # the key, the model, the URL
    assert exit_codes(kinds_of(errors.UserError) | named_wrong) == {2}
    assert exit_codes(kinds_of(errors.RunError) - named_wrong) == {1}
    assert exit_codes(kinds_of(errors.ItemError)) == {1}
