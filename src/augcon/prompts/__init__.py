"""Prompts are data: instruction, examples and fields in files that a user can copy and change."""

from augcon.prompts.ask import Asker
from augcon.prompts.exchange import Exchange
from augcon.prompts.library import Library
from augcon.prompts.prompt import Example, Field, Form, Prompt, Weakening

__all__ = ["Asker", "Example", "Exchange", "Field", "Form", "Library", "Prompt", "Weakening"]
