"""The paper's way: one call gives a node its question and both its parts, made to stand alone."""

from __future__ import annotations

from collections.abc import Mapping

from augcon.records import Context
from augcon.tree.prompted import PromptedDivider

__all__ = ["RewriteDivider"]


class RewriteDivider(PromptedDivider):
    """Asks a model for question, first part and second part (Algorithm 1 of the paper)."""

    prompt_name = "tree"

    def _parts(self, node: Context, outputs: Mapping[str, str]) -> tuple[str, ...]:
        return outputs["first"], outputs["second"]
