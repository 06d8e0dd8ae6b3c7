"""Stage 3: high-fidelity answers."""

from augcon.answer.answerable import AnswerableCheck
from augcon.answer.bootstrap import Bootstrap, Tried
from augcon.answer.checks import check_answer
from augcon.answer.examples import Examples, FixedExamples, NearestExamples
from augcon.answer.respond import GenerateResponder, Responder
from augcon.answer.search import FEWEST_TO_SEARCH, Round, Search, Trial, answers_of_search
from augcon.answer.settle import Checking, Settled
from augcon.answer.terms import Terms, without_source
from augcon.answer.unanswered import Unanswered
from augcon.answer.unknown import UnknownReplies
from augcon.answer.verify import LexicalVerifier, ModelVerifier, Verifier

__all__ = [
    "FEWEST_TO_SEARCH",
    "AnswerableCheck",
    "Bootstrap",
    "Checking",
    "Examples",
    "FixedExamples",
    "GenerateResponder",
    "LexicalVerifier",
    "ModelVerifier",
    "NearestExamples",
    "Responder",
    "Round",
    "Search",
    "Settled",
    "Terms",
    "Trial",
    "Tried",
    "Unanswered",
    "UnknownReplies",
    "Verifier",
    "answers_of_search",
    "check_answer",
    "without_source",
]
