"""Stage 3: high-fidelity answers."""

from augcon.answer.respond import GenerateResponder, Responder, check_answer
from augcon.answer.search import FEWEST_TO_SEARCH, Search, Trial

__all__ = [
    "FEWEST_TO_SEARCH",
    "GenerateResponder",
    "Responder",
    "Search",
    "Trial",
    "check_answer",
]
