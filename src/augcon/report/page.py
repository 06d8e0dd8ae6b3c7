"""One self-contained HTML page for a run: books, ranking, examples, shape, and some pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from string import Template
from typing import Any

from augcon.characters import escaped
from augcon.records import BY_ROOT, Granularity, Pair
from augcon.report.examples import tell_audits, tell_examples
from augcon.sections import EMBEDDED
from augcon.store import Books, Run, write_atomically

__all__ = ["write_report"]

SAMPLES = 6
WIDEST_BAR = 24  # em
COLOURS = {
    Granularity.MACRO: "#1d4e89",
    Granularity.CONCEPT: "#4f97c7",
    Granularity.DETAIL: "#a9c9de",
}
RANKERS = {
    "heuristic": "Fallback ranker: lexical heuristic",
    "judge": "The model's own judgement, from 1 to 5",
    "random": "A random draw",
}
WRITTEN = {
    "principles": "principles",
    "annotated examples": "annotated examples",
    "chosen by": "answers.choose",
    "language": "answers.language",
    "answers to a question": "answers.samples",
    "verified": "answers.verify",
    "share of “not known”": "answers.unknown_share",
}
FITTED = {
    "linear": "Linear head on the base model's hidden state",
    "lora": "The base model with a low-rank adapter and a linear head",
    "cross-encoder": "A small encoder that reads question and context together",
}


@dataclass(slots=True)
class _Seen:
    """What the page says of all pairs, gathered as they pass by, and some of them."""

    pairs: int = 0
    languages: set[str] = field(default_factory=set)
    shape: Counter[tuple[int, str]] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    verified: Counter[str] = field(default_factory=Counter)
    samples: list[Pair] = field(default_factory=list)


def write_report(run: Run) -> None:
    """Write OUT/report.html from what the run's database holds."""
    books = run.books()
    seen = _look_at(run.ledger.pairs(), books.pairs)
    shape = {f"depth {depth}, {kind}": n for (depth, kind), n in sorted(seen.shape.items())}
    steps = run.ledger.steps()
    scorer = json.loads(steps["scorer"]) if "scorer" in steps else None
    page = resources.files("augcon.report").joinpath("page.html").read_text(encoding="utf-8")
    filled = Template(page).substitute(
        title=escape(escaped(run.folder.absolute().name)),
        summary=_summary(books, seen),
        books=_books(books),
        balance="The books balance." if books.balanced else _bad("The books do not balance."),
        calls=_calls(books),
        forecast=_forecast(books),
        scorer=_scorer(scorer),
        written=_written(json.loads(run.ledger.fact("identity") or "{}")),
        examples=tell_examples(steps),
        audit=tell_audits(steps),
        granularity=_granularity(books),
        shape=_bars(shape),
        documents=_bars(seen.documents),
        verification=_verification(seen),
        samples="".join(map(_sample, seen.samples)),
    )
    write_atomically(run.folder / "report.html", filled)


def _look_at(pairs: Iterable[Pair], expected: int) -> _Seen:
    """Go through the pairs once; the samples are from all over them, if there are `expected`."""
    seen, step = _Seen(), max(1, expected // SAMPLES)
    for pair in pairs:
        if seen.pairs % step == 0 and len(seen.samples) < SAMPLES:
            seen.samples.append(pair)
        seen.pairs += 1
        seen.languages.add(pair.language)
        seen.shape[pair.depth, pair.granularity] += 1
        seen.documents[pair.document] += 1
        seen.verified[pair.verification.method if pair.verification else ""] += 1
    return seen


def _summary(books: Books, seen: _Seen) -> str:
    documents = books.stages["documents"]
    languages = ", ".join(sorted(seen.languages)) or "none"
    return (
        f"{seen.pairs} pairs from {documents.kept} documents "
        f"({books.stages['contexts'].kept} root contexts); languages: {escape(languages)}."
        + (f" {books.unknown} of them say that something is not known." if books.unknown else "")
    )


def _books(books: Books) -> str:
    rows = []
    for name, stage in books.lines.items():
        reasons = {**stage.rejected, **{f"{k} (failed)": n for k, n in stage.failures.items()}}
        told = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        numbers = (
            *(stage.entered, stage.kept, sum(stage.rejected.values())),
            *(stage.failed, stage.pending),
        )
        cells = "".join(f'<td class="n">{n}</td>' for n in numbers)
        rows.append(f"<tr><td>{name}</td>{cells}<td>{escape(told)}</td></tr>")
    return "\n".join(rows)


def _calls(books: Books) -> str:
    calls = books.calls
    return (
        f"{calls.calls} calls ({calls.unusable} with unusable replies), {calls.calls_replayed} "
        f"answered from the journal; {calls.prompt_tokens} prompt tokens, "
        f"{calls.completion_tokens} completion tokens; {books.seconds:.0f} seconds; the "
        f"journal of replies takes {calls.journal_bytes / 1e6:.1f} MB, the whole database "
        f"{calls.database_bytes / 1e6:.1f} MB."
        + "".join(f" The server answered as {escape(repr(name))}." for name in books.others)
    )


def _forecast(books: Books) -> str:
    """Empty for a run that wrote none down."""
    if books.forecast is None:
        return ""
    names = ("predicted", "made") if books.forecast.over else ("predicted", "made", "expected")
    headings = "".join(f"<th class='n'>{name}</th>" for name in names)
    rows = [
        f"<tr><td>{amount}</td>" + "".join(f"<td class='n'>{n}</td>" for n in numbers[: len(names)])
        for amount, numbers in books.forecast.rows()
    ]
    return f"<table><tr><th>forecast</th>{headings}</tr>{'</tr>'.join(rows)}</tr></table>"


def _scorer(step: Mapping[str, Any] | None) -> str:
    if step is None:
        return "<p>No scorer was needed.</p>"
    warning = escape(step.get("warning", ""))
    loudly = f"<p>{_bad(f'Warning: {warning}.')}</p>" if warning else ""
    return f"<p>{_ranker(step)}</p>{loudly}{_held_out(step)}"


def _ranker(step: Mapping[str, Any]) -> str:
    """What ranked the questions."""
    kind, why = step["ranker"], f" ({escape(step['why'])})" if step["why"] else ""
    if kind in RANKERS:
        return f"{RANKERS[kind]}{why}."
    what = FITTED[kind]
    if "saved" in step:
        return f"{what}, which was saved before (its id is {escape(step['saved'])})."
    trained, roots = step["trained_on"], step["pilot_roots"]
    return f"{what}, fitted on {trained} contrast pairs of {roots} pilot roots."


def _held_out(step: Mapping[str, Any]) -> str:
    """How a fitted scorer did on roots held out; empty where none was fitted."""
    if "held_out" not in step:
        return ""
    rows = "".join(
        f"<tr><td>{escape(kind)}</td><td class='n'>{a['share']:.2f}</td>"
        f"<td class='n'>{a['interval'][0]:.2f} to {a['interval'][1]:.2f}</td>"
        f"<td class='n'>{a['pairs']}</td></tr>"
        for kind, a in step["held_out"].items()
    )
    return (
        "<table><tr><th>worse question</th><th class='n'>held-out pair accuracy</th>"
        f"<th class='n'>95 % interval</th><th class='n'>pairs</th></tr>{rows}</table>"
    )


def _written(settings: Mapping[str, object]) -> str:
    """By what the answers were made, so that the reports of two runs can be told apart."""
    if settings.get("model.name") == EMBEDDED:
        return "<p>By the embedded model, which follows no principles.</p>"
    told = "".join(
        f"<tr><td>{label}</td><td>{escape(str(settings[key]))}</td></tr>"
        for label, key in WRITTEN.items()
        if key in settings
    )
    return f"<table>{told}</table>"


def _granularity(books: Books) -> str:
    """A bar for each step, divided among the kinds, and one for the mix that was asked for."""
    kinds = books.granularity
    asked_for = {kind: found.target for kind, found in kinds.items() if found.target is not None}
    rows: list[tuple[str, Mapping[Granularity, float]]] = [
        ("asked", {kind: found.asked for kind, found in kinds.items()}),
        ("kept", {kind: found.kept for kind, found in kinds.items()}),
        ("answered", {kind: found.answered for kind, found in kinds.items()}),
    ]
    told = [_divided(name, counts, f"{sum(counts.values())}") for name, counts in rows]
    told += [_divided("target", asked_for, "")] if asked_for else []
    legend = "".join(
        f"<th class='n'><span class='key' style='background:{COLOURS[kind]}'></span> {kind}</th>"
        for kind in kinds
    )
    return f"<tr><th></th><th class='n'>questions</th>{legend}<th></th></tr>{''.join(told)}"


def _divided(name: str, counts: Mapping[Granularity, float], total: str) -> str:
    whole = sum(counts.values()) or 1
    shares = {kind: 100 * count / whole for kind, count in counts.items()}
    cells = "".join(f"<td class='n'>{share:.0f} %</td>" for share in shares.values())
    parts = "".join(
        f"<span style='width:{share:.2f}%;background:{COLOURS[kind]}'></span>"
        for kind, share in shares.items()
    )
    return (
        f"<tr><td>{name}</td><td class='n'>{total}</td>{cells}"
        f"<td><div class='divided'>{parts}</div></td></tr>"
    )


def _verification(seen: _Seen) -> str:
    """Of the pairs that were kept; what was rejected is in the books."""
    told = {
        "lexical": "their words, numbers, names and quotations are in their context",
        "model": "the model found their context to support every sentence that is not its own",
        BY_ROOT: "they say that something is not known, and the model found nothing of it in the "
        "whole root context",
        "": "not verified",
    }
    lines = [f"{n} pairs: {told[method]}." for method, n in sorted(seen.verified.items())]
    return "".join(f"<p>{line}</p>" for line in lines) or "<p>There is none.</p>"


def _bars(counts: Mapping[str, int]) -> str:
    most = max(counts.values(), default=1)
    return "".join(
        f"<tr><td>{escape(label)}</td><td class='n'>{n}</td><td>"
        f"<span class='bar' style='width:{WIDEST_BAR * n / most:.2f}em'></span></td></tr>"
        for label, n in counts.items()
    )


def _sample(pair: Pair) -> str:
    where = f"{pair.document}, characters {pair.start} to {pair.end}, {pair.granularity}"
    if pair.explained < 1:
        where += f", rewritten: the source explains {pair.explained:.0%}"
    if pair.verification is not None:
        where += f", verified {pair.verification.score:.2f}"
    return (
        f"<p><b>{escape(pair.question)}</b><br>{escape(pair.answer)}</p>"
        f"<details><summary class='muted'>{escape(where)}</summary>"
        f"<blockquote>{escape(pair.context)}</blockquote></details>"
    )


def _bad(text: str) -> str:
    return f'<span class="bad">{text}</span>'
