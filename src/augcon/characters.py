"""Halves of characters, which a text may not hold.

JSON writes a character beyond the first 65,536 as two escapes, a surrogate pair. Where one of them
is cut off or made up, the other is read as a character of its own, of which there is no UTF-8: no
file and no database takes it. Python stands such characters for the bytes of a file's name that are
no UTF-8, too.
"""

from __future__ import annotations

import re

__all__ = ["REPLACEMENT", "escaped", "whole"]

REPLACEMENT = "\ufffd"  # as decoders write for what is no character

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """The text with the replacement character for every half of one."""
    return _LONE_SURROGATE.sub(REPLACEMENT, text)


def escaped(name: str) -> str:
    """The name with an escape for every half of a character: names that differ still do."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
