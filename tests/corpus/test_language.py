from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings

from augcon.corpus import detect_language

from .hard_texts import texts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog near the river.", "en"),
        ("Nous sommes allés à la plage et il faisait très beau.", "fr"),
        ("Wir sind gestern ins Museum gegangen und es war schön.", "de"),
        ("Вчера мы ходили в музей, было очень интересно.", "ru"),
        ("어제 우리는 박물관에 갔습니다. 매우 즐거웠습니다.", "ko"),
        ("東京は日本の首都です。昨日、美術館に行きました。", "ja"),
        ("中国的首都是北京。", "zh"),
        ("臺灣的首都是臺北。我們昨天去了故宮博物院。", "zh"),
        ("我哋今日去邊度食飯", "zh"),
        ("使用 Python 的 asyncio 库来写并发代码", "zh"),
        ("HELLO WORLD THIS IS A LOUD SENTENCE", "en"),
    ],
)
def test_a_sentence_is_enough_to_tell_its_language(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["", "  \n", "12345 678", "!!! ???", "😀😀😀", "\u200b", "\0"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert detect_language(text) == "und"


def test_a_chinese_text_that_quotes_a_japanese_name_stays_chinese() -> None:
    assert (
        detect_language("我们在东京的商店里买了一瓶「の」字牌的饮料，味道很好，大家都很喜欢。")
        == "zh"
    )


def test_a_long_text_is_judged_by_more_than_its_start() -> None:
    text = "Preface in English, for the translator. " + "这本书讲的是中国的历史和文化。" * 500
    assert detect_language(text) == "zh"


def test_nothing_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        detect_language("A long English text, longer than the library's own limit. " * 200)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@given(texts)
@settings(max_examples=50)
def test_any_text_has_a_code_of_two_letters_or_none(text: str) -> None:
    language = detect_language(text)
    assert language == "und" or len(language) == 2
