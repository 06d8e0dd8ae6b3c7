"""The paper's way: one call gives a node its question and both its parts, made to stand alone."""

from __future__ import annotations

from collections.abc import Mapping

from augcon.records import Context
from augcon.tree.prompted import PromptedDivider
from augcon.tree.split import Division

__all__ = ["RewriteDivider"]


class RewriteDivider(PromptedDivider):
    """Asks a model for question, first part and second part (Algorithm 1 of the paper)."""

    prompt_name = "tree"

    def _division(self, node: Context, outputs: Mapping[str, str]) -> Division:
        return Division(outputs["question"], (outputs["first"], outputs["second"]))
