"""Tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from augcon.store import Books, Outlook

__all__ = ["books_table", "forecast_table", "granularity_table"]


def books_table(books: Books) -> Table:
    """The books, a line for every stage."""
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for heading in ("in", "kept", "rejected", "failed"):
        table.add_column(heading, justify="right")
    if pending := any(stage.pending for stage in books.stages.values()):
        table.add_column("pending", justify="right")
    table.add_column("reasons")
    for name, stage in books.lines.items():
        reasons = {**stage.rejected, **stage.failures}
        told = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        numbers = [stage.entered, stage.kept, sum(stage.rejected.values()), stage.failed]
        numbers += [stage.pending] if pending else []
        table.add_row(name, *map(str, numbers), told)
    return table


def granularity_table(books: Books) -> Table:
    """The questions by granularity: asked, kept and answered, beside the mix that was asked for."""
    kinds = books.granularity
    table = Table(box=None, pad_edge=False)
    table.add_column("granularity")
    headings = ("asked", "kept", "answered")
    for heading in headings:
        table.add_column(heading, justify="right")
        table.add_column("%", justify="right")
    if has_target := any(kind.target is not None for kind in kinds.values()):
        table.add_column("target %", justify="right")
    totals = [sum(getattr(kind, heading) for kind in kinds.values()) for heading in headings]
    for name, kind in kinds.items():
        counts = [getattr(kind, heading) for heading in headings]
        cells = [
            cell
            for number, total in zip(counts, totals, strict=True)
            for cell in (str(number), f"{100 * number / max(1, total):.0f}")
        ]
        target = [f"{100 * (kind.target or 0):.0f}"] if has_target else []
        table.add_row(name, *cells, *target)
    return table


def forecast_table(outlook: Outlook) -> Table:
    """What was predicted at the beginning, made so far, and is expected at the end."""
    table = Table(box=None, pad_edge=False)
    table.add_column("forecast")
    for heading in ("predicted", "so far", "expected"):
        table.add_column(heading, justify="right")
    for name, numbers in outlook.rows():
        table.add_row(name, *numbers)
    return table
