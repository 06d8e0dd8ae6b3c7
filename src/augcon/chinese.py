"""Chinese in traditional characters, read with rules and lists in simplified ones."""

from __future__ import annotations

__all__ = ["simplified"]

# Those of function words, of the turns that speak of a text, and of words that most sentences have.
_TRADITIONAL = (
    "這該據筆資話說內課選節錄檔敘訊給結參閱讀從個則並為認覺寫"
    "麼誰幾嗎對會沒還裡後時們種過與於將當間無"
    "麽裏兒處樣"
)
_SIMPLIFIED = (
    "这该据笔资话说内课选节录档叙讯给结参阅读从个则并为认觉写"
    "么谁几吗对会没还里后时们种过与于将当间无"
    "么里儿处样"
)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


def simplified(text: str) -> str:
    """In lower case, with the commonest traditional characters simplified."""
    return text.translate(_TO_SIMPLIFIED).lower()
