from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.corpus.charsets import decode

CHINESE = "中国的首都是北京。我们昨天去了天安门广场，那里有很多游客。"
TRADITIONAL = "臺灣的首都是臺北。我們昨天去了故宮博物院，那裡有很多遊客。"
JAPANESE = "東京は日本の首都です。昨日、私たちは美術館に行きました。とても楽しかった。"
KOREAN = "서울은 한국의 수도입니다. 어제 우리는 박물관에 갔습니다. 매우 즐거웠습니다."
FRENCH = "L'été dernier, nous sommes allés à la plage. C'était très agréable. Où êtes-vous né ?"
GERMAN = "Müller fährt über die Brücke. Das Mädchen heißt Jürgen. Größe und Maß sind wichtig."
SPANISH = "El niño comió una manzana. ¿Dónde está la estación? Mañana será otro día."
POLISH = "Zażółć gęślą jaźń. Wczoraj poszliśmy do muzeum, które było bardzo ciekawe i piękne."
RUSSIAN = "Москва является столицей России. Вчера мы ходили в музей. Было очень интересно."
GREEK = "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. Χθες πήγαμε στο μουσείο."
TURKISH = "Dün müzeye gittik. Çok güzel bir gündü, şehir kalabalıktı."
ENGLISH = "The café’s “menu” was naïve — it cost £5. Everyone liked the soup, and nobody paid."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "gbk", "gb2312"]
)
def test_chinese_is_read_in_every_encoding_that_it_comes_in(encoding: str) -> None:
    assert decode(CHINESE.encode(encoding)) == CHINESE


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "gb18030"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (FRENCH, "cp1252"),
        (FRENCH, "latin-1"),
        (GERMAN, "cp1252"),
        (SPANISH, "latin-1"),
        (ENGLISH, "cp1252"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (GREEK, "cp1253"),
        (TURKISH, "cp1254"),
        ("Hello 世界! This is a test.", "gb18030"),
        ("The API is 好用的. See the docs for details.", "gb18030"),
        ("café été", "cp1252"),
    ],
)
def test_a_few_sentences_are_enough_to_tell_an_older_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))))
def test_utf8_is_always_read_as_utf8(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    text = decode(data)
    assert text is None or ("\0" not in text and "\r" not in text)


def test_line_ends_become_line_feeds() -> None:
    assert decode(b"one\r\ntwo\rthree\n") == "one\ntwo\nthree\n"


def test_nul_bytes_are_no_text() -> None:
    assert decode(b"text with a \x00 inside") is None
    assert decode("text".encode("utf-16-le")) is None


def test_damaged_utf8_is_refused_and_not_read_as_something_else() -> None:
    data = CHINESE.encode()
    assert decode(data[:20] + data[21:]) is None


def test_a_broken_utf16_file_is_refused() -> None:
    assert decode(CHINESE.encode("utf-16")[:-1]) is None


def test_control_characters_are_no_text() -> None:
    assert decode(b"\x01\x02\x03\x04 ab") is None
    assert decode(random.Random(7).randbytes(5000).replace(b"\0", b"\1")) is None


def test_a_form_feed_or_a_tab_is_text() -> None:
    assert decode(b"\x0c\t\x0c\tab") == "\x0c\t\x0c\tab"
