"""A file's bytes in, its text out: as UTF-8 wherever they are that, else by what fits best.

Unicode is believed first, and strictly. East Asian encodings accept nearly any bytes, so one of
them is believed only when the characters that such a language writes most often do occur; the
8-bit encodings are left to charset-normalizer. Those of Latin script differ in a few letters only,
so there the language decides. The trade-off: a wrong guess between two of those stays possible,
and a text that is nearly UTF-8 is refused, for to read it as anything else would spoil it silently.
"""

from __future__ import annotations

import codecs
import re

from augcon.corpus.language import detect_language

__all__ = ["decode"]

_BOMS = (  # UTF-32 first: its mark opens with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_KANA = "\u3041-\u3096\u30a1-\u30fa"
_FREQUENT = {  # what makes up at least a tenth of any text in such an encoding
    "gb18030": re.compile(
        "[的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家"
        "学对可里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头"
        "面公同三已老从动两长知第間這個國說們為時會對後發來過學還沒開經頭動長]"
    ),
    "big5": re.compile(
        "[的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家"
        "學對可裡後小麼心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭"
        "面公同三已老從動兩長知第]"
    ),
    "cp932": re.compile(f"[{_KANA}]"),
    "euc_jp": re.compile(f"[{_KANA}]"),
    "cp949": re.compile("[이다는을를의에고하가은도로서지한기사리자어나니습아라그인시게정대해수있]"),
}
_FREQUENT_ENOUGH = 0.1
_COMMON_HANZI_ONLY = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xa9\xb0-\xd7][\xa1-\xfe])*+")  # in GB2312
_LETTER_BEYOND_ASCII = re.compile(r"[^\W\x00-\x7f]")
_EIGHT_BIT = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256")
_LATIN = {  # the language of a text in Latin script, and the encodings it is written in
    **dict.fromkeys(
        ("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"), ("cp1250", "iso8859_2")
    ),
    **dict.fromkeys(("az", "tr"), ("cp1254",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257",)),
}
_WESTERN = ("cp1252", "latin_1")
_OTHER_SCRIPT = r"[^\W\d_\x00-\u024f]"
_NOT_LATIN = re.compile(_OTHER_SCRIPT)
_MIXED = re.compile(rf"[a-zA-Z]{_OTHER_SCRIPT}|{_OTHER_SCRIPT}(?=[a-zA-Z])")  # inside one word
_DAMAGED = 0.1  # a text that fails as UTF-8 in fewer places than this share is damaged UTF-8
_SAMPLE = 65_536  # bytes or characters that a guess looks at
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_MOST_CONTROLS = 0.05


def decode(data: bytes) -> str | None:
    """The text of a file with line ends as line feeds; None where the bytes are no text."""
    text = _decode(data)
    if text is None or "\0" in text or _is_mostly_control(text):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], encoding)
    if b"\0" in data:
        return None
    text = _strictly(data, "utf-8")
    if text is not None or _is_damaged_utf8(data):
        return text
    return _east_asian(data) or _eight_bit(data)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_damaged_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    beyond_ascii = sum(1 for _ in _LETTER_BEYOND_ASCII.finditer(text))
    return damaged < _DAMAGED * beyond_ascii


def _east_asian(data: bytes) -> str | None:
    """The reading with the largest share of frequent characters, if that is large enough.

    Failing that, bytes that pair up as nothing but common Chinese characters are taken for these.
    """
    readings = ((_strictly(data, encoding), encoding) for encoding in _FREQUENT)
    shares = [(_share(text, encoding), text) for text, encoding in readings if text is not None]
    share, text = max(shares, default=(0.0, None), key=lambda reading: reading[0])
    if share >= _FREQUENT_ENOUGH:
        return text
    return _strictly(data, "gb18030") if _COMMON_HANZI_ONLY.fullmatch(data) else None


def _share(text: str, encoding: str) -> float:
    sample = text[:_SAMPLE]
    letters = sum(1 for _ in _LETTER_BEYOND_ASCII.finditer(sample))
    return sum(1 for _ in _FREQUENT[encoding].finditer(sample)) / max(1, letters)


def _eight_bit(data: bytes) -> str | None:
    """As charset-normalizer says, but among the Latin encodings by the language of the text."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE], cp_isolation=list(_EIGHT_BIT)).best()
    if best is None:
        return None
    text = _strictly(data, best.encoding)
    if text is not None and not _reads_as_latin(text):
        return text
    language = detect_language(data[:_SAMPLE].decode("latin_1"))
    texts = [_strictly(data, encoding) for encoding in _LATIN.get(language, _WESTERN)]
    return min((text for text in texts if text is not None), default=text, key=_count_symbols)


def _reads_as_latin(text: str) -> bool:
    """Whether what is beyond ASCII is Latin, or would be another script amid Latin words."""
    sample = text[:_SAMPLE]
    n_others = len(_NOT_LATIN.findall(sample))
    is_few = 2 * n_others < len(_LETTER_BEYOND_ASCII.findall(sample))
    return is_few or 2 * len(_MIXED.findall(sample)) >= n_others


def _count_symbols(text: str) -> int:
    """Letters of one encoding are often symbols of another, so the fewest symbols are best."""
    return sum(1 for character in text[:_SAMPLE] if character > "\x7f" and not character.isalpha())


def _is_mostly_control(text: str) -> bool:
    return len(_CONTROL.findall(text)) > _MOST_CONTROLS * len(text)
