"""Stage 3: high-fidelity answers."""

from augcon.answer.answerable import AnswerableCheck
from augcon.answer.checks import check_answer
from augcon.answer.respond import GenerateResponder, Responder
from augcon.answer.search import FEWEST_TO_SEARCH, Search, Trial
from augcon.answer.settle import Checking, Settled
from augcon.answer.terms import Terms, without_source
from augcon.answer.unanswered import Unanswered
from augcon.answer.unknown import UnknownReplies
from augcon.answer.verify import LexicalVerifier, ModelVerifier, Verifier

__all__ = [
    "FEWEST_TO_SEARCH",
    "AnswerableCheck",
    "Checking",
    "GenerateResponder",
    "LexicalVerifier",
    "ModelVerifier",
    "Responder",
    "Search",
    "Settled",
    "Terms",
    "Trial",
    "Unanswered",
    "UnknownReplies",
    "Verifier",
    "check_answer",
    "without_source",
]
