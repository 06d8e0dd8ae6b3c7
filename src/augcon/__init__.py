"""From your own documents to fine-tuning data that makes a language model know them.

    import augcon

    result = augcon.run("handbook/", out="runs/handbook")
    for pair in result:
        print(pair.question, pair.answer, pair.document, pair.start, pair.end)

Names are imported when they are first used, so that `import augcon` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augcon.api import Result, Scored, doctor, plan, run, score
    from augcon.api import open_result as open  # noqa: A004
    from augcon.errors import AugConError
    from augcon.records import Pair
    from augcon.rouge import rouge_l
    from augcon.select import select_diverse
    from augcon.templates import write_templates as init

__version__ = "0.1.0"
__all__ = [
    "AugConError",
    "Pair",
    "Result",
    "Scored",
    "doctor",
    "init",
    "open",
    "plan",
    "rouge_l",
    "run",
    "score",
    "select_diverse",
]

_HOMES = {
    "AugConError": ("augcon.errors", "AugConError"),
    "Pair": ("augcon.records", "Pair"),
    "Result": ("augcon.api", "Result"),
    "Scored": ("augcon.api", "Scored"),
    "doctor": ("augcon.api", "doctor"),
    "init": ("augcon.templates", "write_templates"),
    "open": ("augcon.api", "open_result"),
    "plan": ("augcon.api", "plan"),
    "rouge_l": ("augcon.rouge", "rouge_l"),
    "run": ("augcon.api", "run"),
    "score": ("augcon.api", "score"),
    "select_diverse": ("augcon.select", "select_diverse"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'augcon' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
