"""Which words carry meaning, in English and in both scripts of Chinese."""

from __future__ import annotations

from augcon.words import content_words, simplified, stems


def test_content_words_of_english_are_whole_and_those_of_chinese_are_cut_apart() -> None:
    assert content_words("The miller's state-of-the-art wheel was new.") == [
        "miller's",
        "state-of-the-art",
        "wheel",
        "new",
    ]
    assert content_words("石桥在1801年由李文远修建。") == ["石桥", "1801", "年", "李文远", "修建"]


def test_both_scripts_of_chinese_lose_the_same_small_words() -> None:
    both = [content_words(text) for text in ("這座石板與石桌無人管過", "这座石板与石桌无人管过")]
    assert both[0] == both[1]
    assert "石板" in both[0]
    assert "与" not in both[0]
    assert simplified("這 Ab 與") == "这 ab 与"


def test_a_chinese_word_is_found_by_all_of_its_characters() -> None:
    assert stems(["石桥", "mills"]) == {"石桥", "mill"}
