"""The command line: one thin file per command, imported when that command is used."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from augcon import __version__
from augcon.errors import AugConError

__all__ = ["app", "main"]

app = typer.Typer(
    name="augcon",
    help="From your own documents to fine-tuning data that makes a language model know them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = 130
STOPPING = (signal.SIGINT, signal.SIGTERM)


class _Interrupted(BaseException):
    """Ctrl-C or SIGTERM. Not a KeyboardInterrupt, of which typer makes an exit without a word."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Interrupted


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which one.")
    ] = False,
) -> None:
    """From your own documents to fine-tuning data that makes a language model know them."""


def main() -> None:
    """The entry point: errors become one line and an exit code, never a traceback."""
    for number in STOPPING:
        signal.signal(number, _interrupt)
    try:
        # The commands register themselves; they import nothing heavy before they are called.
        from augcon.cli import doctor, export, init, plan, run, score, show, status  # noqa: F401

        code = app(standalone_mode=False)
    except AugConError as error:
        code = _complain(str(error), error.exit_code)
    except (typer.Abort, _Interrupted):
        code = _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _complain(f"{where}{error.strerror or error}", 1)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        code = _complain(error.format_message(), 2)  # typer's own usage errors
    sys.exit(code)


def _complain(message: str, code: int) -> int:
    typer.echo(f"augcon: {message}", err=True)
    return code
