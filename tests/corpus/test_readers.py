from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from augcon.corpus import Corpus, read_corpus
from augcon.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from augcon.records import Rejection

TEXT = "This is a whole sentence."


def write(folder: Path, **texts: str) -> Path:
    """Text files in the folder: a="…" writes a.txt, and sub__a="…" writes sub/a.txt."""
    for key, text in texts.items():
        path = folder / f"{key.replace('__', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def names(corpus: Corpus) -> list[str]:
    return [document.name for document in corpus]


def reason_of(corpus: Corpus, name: str) -> Rejection:
    [rejection] = [rejection for rejection in corpus.rejected if rejection.text == name]
    return rejection


def test_a_folder_is_read_with_its_folders_sorted_by_name(tmp_path: Path) -> None:
    write(tmp_path, b=TEXT + " B", sub__a=TEXT + " A", a=TEXT + " C")
    (tmp_path / "c.md").write_text(f"# Title\n\n{TEXT}", encoding="utf-8")
    (tmp_path / "d.MARKDOWN").write_text(f"# Other\n\n{TEXT}", encoding="utf-8")
    corpus = read_corpus([tmp_path])
    assert names(corpus) == ["a.txt", "b.txt", "c.md", "d.MARKDOWN", "sub/a.txt"]
    assert corpus.rejected == ()


def test_a_document_has_its_text_and_language(tmp_path: Path) -> None:
    (tmp_path / "zh.txt").write_bytes("中国的首都是北京。\r\n我们去了。".encode("gb18030"))
    [document] = read_corpus([tmp_path])
    assert document.text == "中国的首都是北京。\n我们去了。"
    assert document.language == "zh"


def test_ids_depend_on_names_and_texts_and_not_on_where_the_corpus_lies(tmp_path: Path) -> None:
    texts = {"a": TEXT, "sub__b": TEXT + " More."}
    first, second = write(tmp_path / "one", **texts), write(tmp_path / "two", **texts)
    assert read_corpus([first]) == read_corpus([second])
    assert read_corpus([first]).id == read_corpus([second]).id
    write(second, a=TEXT + " Changed.")
    assert read_corpus([first]).id != read_corpus([second]).id


def test_a_corpus_can_be_gone_through_as_often_as_wanted(tmp_path: Path) -> None:
    corpus = read_corpus([write(tmp_path, a=TEXT, b=TEXT + " More.")])
    documents = list(corpus)
    assert [document.text for document in documents] == [TEXT, TEXT + " More."]
    assert list(corpus) == documents
    assert len(corpus) == 2


def test_a_corpus_keeps_no_text(tmp_path: Path) -> None:
    text, number = f"{TEXT} " * 4000, 50
    write(tmp_path, **{f"n{n}": f"{n} {text}" for n in range(number)})
    list(read_corpus([tmp_path]))  # loads what finds languages and sentences
    tracemalloc.start()
    corpus = read_corpus([tmp_path])
    assert sum(len(document.text) for document in corpus) > number * len(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < number * len(text) / 4


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text(TEXT + " Changed."),
        lambda path: path.write_bytes(b"binary \x00\x01\x02"),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_document_that_has_changed_since_it_was_judged_is_never_given(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    corpus = read_corpus([write(tmp_path, a=TEXT, b=TEXT + " More.")])
    change(tmp_path / "b.txt")
    documents = iter(corpus)
    assert next(documents).name == "a.txt"
    with pytest.raises(CorpusError, match=r"b\.txt: changed while it was being read; give the"):
        next(documents)


def test_the_order_of_the_paths_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, x__a=TEXT, y__a=TEXT + " More.", y__b=TEXT + " Most.")
    paths = [tmp_path / "x", tmp_path / "y", tmp_path / "y/b.txt"]
    assert read_corpus(paths) == read_corpus(paths[::-1])


def test_names_that_collide_are_prefixed_with_their_folders(tmp_path: Path) -> None:
    write(tmp_path, x__a=TEXT, y__a=TEXT + " More.", y__b=TEXT + " Most.")
    assert names(read_corpus([tmp_path / "x", tmp_path / "y"])) == ["b.txt", "x/a.txt", "y/a.txt"]


def test_folders_that_share_their_name_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, x__docs__a=TEXT, y__docs__a=TEXT + " More.")
    paths = [tmp_path / "x/docs", tmp_path / "y/docs"]
    assert names(read_corpus(paths)) == ["x/docs/a.txt", "y/docs/a.txt"]


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, sub__a=TEXT)
    (tmp_path / "link.txt").symlink_to(tmp_path / "sub/a.txt")
    corpus = read_corpus([tmp_path / "sub/a.txt", tmp_path, tmp_path / "sub"])
    assert names(corpus) == ["sub/a.txt"]
    assert corpus.rejected == ()


def test_hidden_files_and_folders_are_left_out_unless_they_are_given(tmp_path: Path) -> None:
    write(tmp_path, **{".hidden": TEXT, ".git__a": TEXT, "seen": TEXT})
    assert names(read_corpus([tmp_path])) == ["seen.txt"]
    assert names(read_corpus([tmp_path / ".hidden.txt"])) == [".hidden.txt"]


def test_links_that_lead_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path, sub__a=TEXT)
    (tmp_path / "sub/back").symlink_to(tmp_path)
    (tmp_path / "sub/self").symlink_to(tmp_path / "sub")
    assert names(read_corpus([tmp_path])) == ["sub/a.txt"]


def test_names_are_written_in_nfc(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301.txt").write_text(TEXT, encoding="utf-8")
    assert names(read_corpus([tmp_path])) == ["caf\u00e9.txt"]


def test_names_that_differ_by_normal_form_alone_stay_apart(tmp_path: Path) -> None:
    for name, text in (("cafe\u0301.txt", TEXT), ("caf\u00e9.txt", TEXT + " More.")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes both names for one")
    assert names(read_corpus([tmp_path])) == ["caf\u00e9 (2).txt", "caf\u00e9.txt"]


def test_a_name_that_is_no_utf8_can_still_be_stored(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/bad\xff.txt")).write_text(TEXT, encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes no such name")
    [name] = names(read_corpus([tmp_path]))
    assert name.encode("utf-8").startswith(b"bad")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"binary \x00\x01\x02", "not_text"),
        (b"no full stop in this text", "no_whole_sentence"),
        (b"Too short. So bad. Oh yes!", "no_whole_sentence"),
        ("没有句号的文字".encode(), "no_whole_sentence"),
    ],
)
def test_what_holds_no_usable_text_is_kept_with_its_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    write(tmp_path, good=TEXT)
    (tmp_path / "bad.txt").write_bytes(data)
    corpus = read_corpus([tmp_path])
    rejection = reason_of(corpus, "bad.txt")
    assert (rejection.stage, rejection.reason, rejection.failed) == ("documents", reason, False)
    assert names(corpus) == ["good.txt"]


@pytest.mark.parametrize(
    "text",
    [
        "He said (“It is so.”)",
        "这是一个句子。",
        "他说：「真的吗？」",
        "**It is bold.**",
        "यह एक वाक्य है।",
    ],
)
def test_a_sentence_with_its_closers_is_whole(tmp_path: Path, text: str) -> None:
    assert names(read_corpus([write(tmp_path, a=text)])) == ["a.txt"]


def test_a_second_copy_of_a_text_is_rejected_and_names_the_first(tmp_path: Path) -> None:
    corpus = read_corpus([write(tmp_path, a=TEXT, b=TEXT + "\n", c=TEXT + " More.")])
    assert names(corpus) == ["a.txt", "c.txt"]
    rejection = reason_of(corpus, "b.txt")
    assert rejection.reason == "duplicate_text"
    assert "a.txt" in rejection.detail


@pytest.mark.parametrize(("name", "said"), [("a.pdf", ".pdf"), ("README", "no suffix")])
def test_another_format_is_rejected_with_what_to_do(tmp_path: Path, name: str, said: str) -> None:
    write(tmp_path, good=TEXT)
    (tmp_path / name).write_text(TEXT, encoding="utf-8")
    rejection = reason_of(read_corpus([tmp_path]), name)
    assert rejection.reason == "unsupported_format"
    assert said in rejection.detail
    assert "convert it to .txt or .md" in rejection.detail


def test_what_cannot_be_opened_has_failed(tmp_path: Path) -> None:
    write(tmp_path, good=TEXT)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    corpus = read_corpus([tmp_path])
    assert [r.text for r in corpus.rejected] == ["gone.txt", "loop.txt", "pipe.txt"]
    assert all(r.reason == "unreadable" and r.failed and r.detail for r in corpus.rejected)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_has_failed(tmp_path: Path) -> None:
    write(tmp_path, good=TEXT, bad=TEXT, closed__a=TEXT)
    (tmp_path / "bad.txt").chmod(0)
    (tmp_path / "closed").chmod(0)
    corpus = read_corpus([tmp_path])
    (tmp_path / "closed").chmod(0o700)
    assert [(r.text, r.reason, r.failed) for r in corpus.rejected] == [
        ("bad.txt", "unreadable", True),
        ("closed", "unreadable", True),
    ]


def test_every_file_is_a_document_or_a_rejection(tmp_path: Path) -> None:
    write(tmp_path, a=TEXT, b=TEXT, c="", d="x", sub__e=TEXT + " More.")
    (tmp_path / "f.docx").write_bytes(b"PK")
    corpus = read_corpus([tmp_path])
    assert len(corpus) + len(corpus.rejected) == 6
    assert len({rejection.id for rejection in corpus.rejected}) == len(corpus.rejected)


def test_paths_that_do_not_exist_are_all_named(tmp_path: Path) -> None:
    write(tmp_path, a=TEXT)
    missing = [tmp_path / "one", tmp_path / "two.txt"]
    with pytest.raises(CorpusError, match=r"one, .*two\.txt: no such file or folder"):
        read_corpus([tmp_path, *missing])


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(CorpusError, match="no path was given"):
        read_corpus([])


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="empty: the folder holds no files"):
        read_corpus([tmp_path / "empty"])


def test_a_corpus_without_a_usable_document_says_what_was_wrong(tmp_path: Path) -> None:
    write(tmp_path, a="", b="", c="no sentence")
    with pytest.raises(CorpusError) as caught:
        read_corpus([tmp_path])
    message = str(caught.value)
    assert "3 files rejected (2 empty, 1 no_whole_sentence)" in message
    assert str(tmp_path) in message
    assert "\n" not in message
