"""Does a sentence say that something is not known?

An honest answer says so where its context ends. Such a sentence claims nothing about the subject,
so that its words need not be the context's, and a reply that says "I don't know" has to hold one.
Told by its phrases, in English and Chinese: "not known for its wine" and 「字迹不清楚」 are none.
"""

from __future__ import annotations

import re

from augcon.words import content_words, simplified

__all__ = ["abstains", "told_beside"]

_TEXT = r"(?:text|passage|document|context|excerpt|source)"
_TELLS = r"(?:say|tell|state|mention|specify|indicate|explain|give|provide|answer)"
_TELLS_ZH = "(?:提到|提及|说明|说|写明|写|给出|记载|交代|提供|涉及|回答)"

_IS = r"(?:is|are|was|were|remains?|remained|has been|have been|seems)"
_NOT = rf"(?:{_IS} (?:\w+ )?not|(?:is|are|was|were|has|have)n['’]t(?: been)?)"
_HOW = r"(?:\w+ly |yet |at present |for certain |also |now |still )?"
_ASKED = r"(?:who|whom|whose|what|when|where|which|why|how|if|whether)"
_TRIES = r"(?:do not|don['’]t|can ?not|can['’]t|could not|couldn['’]t)"
# "Not known for its wine" says what something is not known for; "not known for certain" does not.
_KNOWN = (
    r"known(?! (?:as|for|by|to|in|outside|beyond)\b"
    rf"(?! (?:{_ASKED}|certain|sure|us|me|anyone|be|have)\b))"
)
_EN = re.compile(
    r"\b(?:"
    + "|".join(
        (
            rf"{_NOT} {_HOW}(?:{_KNOWN}|recorded|documented|stated|specified|established)",
            rf"it {_NOT} {_HOW}(?:clear|certain|said|told) {_HOW}{_ASKED}",
            rf"it {_IS} {_HOW}uncertain {_HOW}{_ASKED}",
            rf"{_IS} {_HOW}(?:unclear|unrecorded|unknown(?! to\b(?! (?:us|me|anyone)\b)))",
            rf"(?:i|we) {_HOW}{_TRIES} {_HOW}(?:know|say|tell|answer|determine|be sure)",
            r"(?:i|we) know (?:not|nothing (?:of|about))",
            r"(?:i|we) have no (?:\w+ )?(?:information|knowledge|details?|idea|way of knowing)",
            r"(?:i am|i['’]m|we are|we['’]re) (?:not (?:sure|aware|certain)|unsure|unaware)",
            rf"(?:can ?not|can['’]t|could not) {_HOW}be (?:known|told|said|determined|answered)",
            r"there (?:is|are|was|were) no (?:\w+ )?(?:information|records?|mention|details?)",
            r"no(?: one|body) knows",
            rf"(?:the|this) {_TEXT} {_HOW}(?:does not|doesn['’]t|did not) {_HOW}{_TELLS}",
            r"no (?:\w+ )?(?:information|details?) (?:is|are) (?:known|available)",
        )
    )
    + r")\b",
    re.IGNORECASE,
)
_STILL = "(?:尚|尚且|还|仍|仍然|依然|也|并|都|均|目前|现在|至今|具体|暂时|我|我们|这里|此处)"
_ENDS = r"(?:\Z|[，,。；;！!])"
_ZH = re.compile(
    "|".join(
        (
            f"{_STILL}就?[不未](?:太|大|甚|完全)?(?:清楚|知道|知晓|知情|晓得|明确|明了|得知)",
            r"(?:\A|[，,。；;、：:\s])(?:但|而|虽然?|尽管)?不(?:太)?(?:清楚|知道)(?!的)",
            "不得而知|(?:无人|没有人|没人|无从)(?:知晓|知道|得知|确定|判断|查考)",
            "无法(?:得知|确定|知道|确认|判断|回答)",
            f"(?:文[段章中本]|原文|上文|材料|资料)[里中]?(?:并|都|也)?(?:没有?|未){_TELLS_ZH}",
            f"{_STILL}(?:是|为|属于?)?未知|(?:是|为|属于?)(?:个|一个)?未知(?:数|的)?{_ENDS}",
            "(?:没有|并无|缺乏|缺少|未见|尚无)(?:任何|相关|明确|具体|更多|可靠|的)*(?:记载|信息|资料|记录)",
            f"(?:不详|未详|不明){_ENDS}",
        )
    )
)
_TURNS = re.compile(
    r"[;；]|,\s*(?:but|yet|although|though|while|whereas|and)\b"
    r"|\b(?:but|although|though|whereas)\b|[，,](?:但是|但|不过|然而|只是|而)",
    re.IGNORECASE,
)
_COMMA = re.compile(r",(?!\d)|，")
# "Who built it" wonders; "It stood where the rivers meet" does not.
_WONDERS = re.compile(
    r"\A\W*(?:\w+ly,\s*)?(?:(?:and|or|nor|by|to|for|from|with|in|on|at|exactly|just|also) ){0,2}"
    rf"{_ASKED}\b|\b(?:of|asked?) {_ASKED}\b"
    r"|\A\W*(?:about|regarding|concerning|as (?:to|for))\b"
    "|谁|什么|何|哪|几|多少|怎|为什么|是否|如何|多久|至于|关于",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\A\s*which ", re.IGNORECASE)  # after a comma; it tells something
_SUBJECT = re.compile(
    r"\A\W*(?:and |nor )?(?:it|he|she|they|this|these|those)\b|\A\W*[他她它]", re.IGNORECASE
)
_SETTING = re.compile(
    r"\A\W*(?:after|before|since|until)\b|(?:之?后|(?<!小)时|时候|之?前)\W*\Z", re.IGNORECASE
)
FEWEST_WORDS = 3  # of content, in what a comma sets apart, that may be more than "after the flood"
_ASKS = re.compile(r"[?？][\s”’」』\"')）]*\Z")


def abstains(sentence: str) -> bool:
    """Whether a sentence says of something that it is not known. A question says nothing."""
    plain = " ".join(simplified(sentence).split())
    if _ASKS.search(plain):
        return False
    return bool(_EN.search(plain) or _ZH.search(plain))


def told_beside(sentence: str) -> str:
    """What a sentence tells beside that something is not known: all of it, where it does not say
    that, and nothing, where it says no more than that.

    A turn ("but", 不过) or a comma sets apart what is told. What a comma does may be a name, a time
    or a manner of speaking too ("To my regret, …"), so that it has to look like a clause.
    """
    if not abstains(sentence):
        return sentence
    parts = _TURNS.split(sentence)
    if not any(map(abstains, parts)):
        return ""
    told = [p for part in parts for p in (_beside_commas(part) if abstains(part) else [part])]
    return " ".join(p for p in told if not _WONDERS.search(p))


def _beside_commas(part: str) -> list[str]:
    """The clauses of a part, beside that in which it says that something is not known."""
    first, *others = _COMMA.split(part)
    clauses = [first, *(_RELATIVE.sub("", clause) for clause in others)]
    if not any(map(abstains, clauses)):
        return []
    return [clause for clause in clauses if not abstains(clause) and _is_clause(clause)]


def _is_clause(text: str) -> bool:
    fewest = 1 if _SUBJECT.search(text) else FEWEST_WORDS
    return not _SETTING.search(text) and len(content_words(text)) >= fewest
