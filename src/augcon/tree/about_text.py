"""Where a question speaks of the text it was made from: "the passage", "the above", 「本文」.

    question ──▶ the words that it does so with: ["passage"], ["文中"]

A reader of the dataset sees no passage. Only turns that point at the text as a text are found: "the
text message", "the author of Emma", 「日本文学」 are not, so most words are looked at with what
stands around them, and Chinese ones begin where a word begins. English and Chinese, in simplified
and traditional characters.
"""

from __future__ import annotations

import re

from augcon.chinese import simplified
from augcon.rouge import token_spans

__all__ = ["words_for_text"]

_TEXT = r"(?P<word>passage|text|paragraph|article|excerpt|snippet|author)s?\b"
_PART = (
    r"(?P<word>passage|text|paragraph|article|excerpt|extract|snippet|author|section|chapter"
    r"|document|page|sentence|statement|report|story|table|figure|example|guide|manual|material"
    r"|information|description|context)s?\b"
)
_SAYS = (
    r"(?:say|state|mention|describ|discuss|impl[iy]|suggest|argu|claim|believ|think|refer|giv|list"
    r"|expla|use|compar|mean|focus|present|report|tell|told|conclu|feel|consider|indicat|address"
    r"|mainly|primarily|also|what|how|when|which|who|why|and|as|not|is|are|was|were|do|does|did)"
)
_DEFINED = r"(?!\s+(?:of|that|which|about|on|to|for|by|titled|entitled|called|named)\b)"
_ENGLISH = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\A[^.]*\b(?:this|these) {_PART}",  # in a second sentence it means the first
        rf"\bthe (?:given|provided|above|following|present|current) {_PART}",
        rf"\bthe (?:(?:whole|entire|same) )?{_TEXT}(?=\s*(?:[?,.;:!)]|\Z)|\s+{_SAYS})",
        rf"\b(?:does|do|did|is|are|was|were|has|can) the (?!text){_TEXT}{_DEFINED}",
        rf"\b(?:according to|based on|as per) (?:the )?{_PART}{_DEFINED}(?! (?-i:[A-Z0-9]))",
        rf"\bin (?:the|this) (?P<word>context)\b{_DEFINED}",
        r"(?P<word>\bthe above\b)(?! ground| average)",
        r"\b(?:mentioned|described|stated|listed|given|shown|discussed) (?P<word>above|below)\b",
        r"\b(?P<word>above-?mentioned|aforementioned|aforesaid)\b",
        r"\bof (?P<word>the following)\b(?=[^,:]*\Z)",
    )
)

_OPENS = r"(?:(?<=[，。、；：,:;（(？?「『“])|(?<=[在从据照由于合对请问])|\A)"
_MATERIAL = "文章|短文|文段|文字|段落|材料|资料|文本|课文|选文|片段|节选|节录|原文|文档|上下文"
_CHINESE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<![」』”’\"》])(?:这|该|此|本)一?[篇段则份个]?(?P<word>{_MATERIAL})",
        r"(?<![」』”’\"》])[这该此本](?P<word>段话|段(?=[中里内，的主]|\Z)|篇(?=[中里内，]|\Z))",
        r"(?P<word>[本此该上下前]文(?![件化字物献本明学艺集书官教体])|本文[件档])",
        r"(?P<word>文[中内末])",
        rf"{_OPENS}(?P<word>文章|作者)(?!的?(?:出版|是谁写))",
        r"(?P<word>笔者|上述|前述|下列|选文|文段)",
        r"(?P<word>上面)(?:提到|所[说述]|的(?:文|材料|内容|描述))",
        r"(?P<word>[以如]上)(?=内容|材料|文|描述|信息|资讯|段|资料|说法|叙述|所述|介绍)",
        r"(?P<word>以下)(?=哪|何者|选项|说法|文|材料|内容)",
        rf"(?:根据|依据|按照|结合|参考|基于|依照|阅读)(?:所给|给定|提供|给出)?的?(?P<word>{_MATERIAL})",
        rf"(?:所给|给定|提供|给出)的?(?P<word>{_MATERIAL}|内容|信息|资讯)",
        rf"{_OPENS}(?P<word>{_MATERIAL})[中里内]",
    )
)


def words_for_text(question: str) -> list[str]:
    """The words of all such turns, in lower case and simplified characters, in no order."""
    found = [match["word"] for pattern in _ENGLISH for match in pattern.finditer(question)]
    plain = simplified(question)
    chinese = [match for pattern in _CHINESE for match in pattern.finditer(plain)]
    if chinese:
        starts = {token.start for token in token_spans(plain)}
        of_a_work = "《" in plain
        found += [
            match["word"]
            for match in chinese
            if match.start() in starts and not (of_a_work and match["word"] == "作者")
        ]
    return [word.lower() for word in found]
