"""Do the principles of the answers fit into the model's window? Told before anything is asked."""

from __future__ import annotations

from augcon.errors import ExamplesError

__all__ = ["FEWEST_IN_DOUBT", "demand_room"]

MOST = 0.5  # of a window, for the principles alone: context, examples and reply need the rest
FEWEST_IN_DOUBT = 512  # tokens; fewer fit into half the window of any model that writes answers


def demand_room(where: str, window: int, principle_tokens: int) -> None:
    """Raise ExamplesError, in one line, where the principles leave too little room.

    window  of the model, in tokens; 0 where nobody tells it
    """
    if 0 < MOST * window < principle_tokens:
        raise ExamplesError(
            f"{where}: the principles of the answers (answers.principles) are about "
            f"{principle_tokens} tokens, more than half of the model's window of {window}: "
            "shorten them, choose another set, or a model with a larger window"
        )
