"""What a question is by its form: one or several, open, for a yes or no, or none at all.

English and Chinese; of other languages only the marks are read.
"""

from __future__ import annotations

import re

from augcon.chinese import simplified

__all__ = ["asks_nothing", "asks_several", "wants_yes_or_no"]

_MARKS = re.compile(r"[?？؟]+")
_QUOTED = re.compile(
    r"“[^”]*”|「[^」]*」|『[^』]*』|《[^》]*》|〈[^〉]*〉|\"[^\"]*\"|(?<!\w)['‘][^'’]*['’](?!\w)"
    r"|（[^）]*）|\([^)]*\)"
)
_ITEM = re.compile(
    r"(?m)^\s*(?:[-*•]\s|[(（]?(?:\d{1,2}|[a-zA-Z]|[一二三四五六七八九十])[.)）、．:：](?!\d))"
)
_COUNTED = re.compile(r"\A[(（]?1[.)）、．](?!\d).+\b2[.)）、．](?!\d)", re.DOTALL)

_VERBS = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)"
    r"(?:n['’]t)?\b"
)
_WH = r"(?:what|which|who|whom|whose|when|where|why|how)\b"
_REQUEST = re.compile(
    rf"\A\W*{_VERBS}|(?:\A|[.,:;]\s|\bplease\s)\W*(?:name|list|describe|explain|compare|discuss"
    r"|give|identify|define|design|outline|propose|tell|state|show|find|calculate|select|evaluate"
    r"|contrast|trace|assess|summari[sz]e|analy[sz]e)\b"
)
_OPENS_WITH_WH = re.compile(rf"\A\W*(?:(?:in|on|at|of|by|for|to|from|with|about)\s)?{_WH}")
_CHINESE = re.compile(
    "什么|甚么|哪|谁|怎|何|为什|多少|几|吗|呢|吧|是否|是不是|有没有|能否|可否|请|说明|说出|描述"
    "|列举|列出|解释|比较|分析|概括|概述|简述|介绍|谈谈|指出"
)
_CLOSED_ENGLISH = re.compile(rf"(?:\A|,\s){_VERBS}(?!.*\bor\b)")
_OPEN_ENGLISH = re.compile(rf"\b{_WH}")
_CLOSED_CHINESE = re.compile(
    r"[吗么嘛][?？]?\Z|是否|是不是|有没有|能否|可否|会不会|能不能|可不可以|对不对|对吧"
)
_OPEN_CHINESE = re.compile("什么|甚么|哪|谁|怎|何|多少|几|还是")


def asks_several(question: str) -> bool:
    """More than one question mark outside quotations, or a list; joined clauses are one."""
    bare = _QUOTED.sub(" ", question)
    if len(_MARKS.findall(bare)) > 1 or len(_ITEM.findall(question)) > 1:
        return True
    return _COUNTED.search(question) is not None


def asks_nothing(question: str, language: str) -> bool:
    """No question mark, no word that asks, no request; never so where those words are unknown."""
    if _MARKS.search(question):
        return False
    if language == "zh":
        return _CHINESE.search(simplified(question)) is None
    if language != "en":
        return False
    lowered = question.lower()
    # "the mill which burned down." is told; "the mill burned down when" is asked
    asks = _OPENS_WITH_WH if lowered.endswith((".", "!")) else _OPEN_ENGLISH
    return asks.search(lowered) is None and _REQUEST.search(lowered) is None


def wants_yes_or_no(question: str, language: str) -> bool:
    """Like "Was it built?" or 「是否建成」; not "Was it built or bought?", nor what asks how."""
    if language == "zh":
        plain = simplified(question)
        return bool(_CLOSED_CHINESE.search(plain)) and not _OPEN_CHINESE.search(plain)
    lowered = question.lower()
    return bool(_CLOSED_ENGLISH.search(lowered)) and not _OPEN_ENGLISH.search(lowered)
