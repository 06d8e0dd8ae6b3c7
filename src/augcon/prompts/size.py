"""About how many tokens a text or a prompt has, before any tokenizer has seen it."""

from __future__ import annotations

from augcon.corpus import count_units
from augcon.prompts.prompt import Prompt

__all__ = ["TOKENS_PER_WORD", "TOKENS_PER_ZH_CHARACTER", "prompt_tokens", "tokens_per_unit"]

TOKENS_PER_ZH_CHARACTER = 0.9  # of a modern tokenizer
TOKENS_PER_WORD = 1.35


def tokens_per_unit(language: str) -> float:
    return TOKENS_PER_ZH_CHARACTER if language == "zh" else TOKENS_PER_WORD


def prompt_tokens(prompt: Prompt) -> float:
    """Tokens of the constant part of a prompt."""
    text = prompt.told + "".join(v for e in prompt.examples for v in e.values())
    return tokens_per_unit(prompt.language) * count_units(text)
