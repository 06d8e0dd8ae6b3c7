"""The part of the report that tells which few-shot examples the answers were shown, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["tell_audits", "tell_examples"]

STEP = "examples-"
AUDIT = "audit-"
WIDTH, HEIGHT = 340, 150  # of the curve
LEFT, RIGHT, TOP, BOTTOM = 30, 12, 10, 34  # around it
LOWEST, HIGHEST = 1, 5  # grades
FAIR = (
    "A set is told by the places of its examples among the annotated ones; * is the one that is "
    "used without a search. Each answers questions that are not its own. So that a set which is "
    "spared a hard question does not win by that, their grades at equal questions are compared. "
    "They are estimates: one that is beyond the scale is shown as its end."
)


def tell_examples(steps: Mapping[str, str]) -> str:
    """steps: name → output of the run's finished steps."""
    told = [
        _told(name.removeprefix(STEP), json.loads(output))
        for name, output in steps.items()
        if name.startswith(STEP)
    ]
    return "".join(told) or "<p>None are used: answers are sentences of their context.</p>"


def tell_audits(steps: Mapping[str, str]) -> str:
    """What was found in annotated examples of the user's own; empty where there are none."""
    found = [json.loads(step) for name, step in steps.items() if name.startswith(AUDIT)]
    told = [each for step in found for each in step["found"]]
    if not found:
        return ""
    looked_at = sum(step["examples"] for step in found)
    doubted = len({each["id"] for each in told})
    rows = "".join(
        f"<tr><td>{escape(each['question'])}</td><td>{escape(each['reason'])}</td>"
        f"<td>{escape(each['detail'])}</td></tr>"
        for each in told
    )
    heading = "<tr><th>annotated example</th><th>reason</th><th>what was found</th></tr>"
    table = f"<table>{heading}{rows}</table>" if rows else ""
    outcome = "nothing was found wrong."
    if doubted:
        outcome = f"something is wrong with {doubted}. They are used as they are."
    return (
        f"<p>{looked_at} annotated examples were looked at, because they or the principles are "
        f"your own; {outcome}</p>{table}"
    )


def _told(language: str, step: Mapping[str, Any]) -> str:
    lines = [f"<p><b>{escape(language)}</b>: {_how(step)} {_cost(step['cost'])}</p>"]
    if step["trials"]:
        lines.append(_curve(step["curve"]))
        lines.append(_hidden(f"all {len(step['trials'])} sets", _trials(step)))
    if step["tried"]:
        lines.append(_hidden(f"all {len(step['tried'])} annotated questions", _tried(step)))
    if step["examples"]:
        shown = "".join(map(_example, step["examples"]))
        lines.append(_hidden("the examples, as they are shown to the model", shown))
    return "".join(lines)


def _how(step: Mapping[str, Any]) -> str:
    why = escape(step["why"])
    return f"{_what(step)} {why[:1].upper()}{why[1:]}{'.' if why else ''}".strip()


def _what(step: Mapping[str, Any]) -> str:
    number, among = len(step["examples"]), len(step["annotated"])
    match step["how"]:
        case "search":
            return (
                f"{number} examples, the best of {len(step['trials'])} sets of {among} annotated "
                f"ones by the model's own grades (1 to 5){_gain(step)}."
            )
        case "bootstrapped":
            passed = sum(one["example"] is not None for one in step["tried"])
            return (
                f"{number} of the model's own answers to annotated questions, the best of {passed} "
                f"that passed every check with grade 4 or 5 (of {len(step['tried'])} tried)."
            )
        case "nearest":
            return f"for each question the closest of {among} annotated examples, by embedding."
        case "first":
            return f"{number} annotated examples, the first of {among}, not searched."
    return ""


def _gain(step: Mapping[str, Any]) -> str:
    """The winner beside the set of no search, where that was judged."""
    best = step["trials"][0]
    if _is_unsearched(best, step):
        return f": {_on_scale(best['fair']):.2f}, and no other set was found to be better"
    told = f": {_on_scale(best['fair']):.2f} at equal questions"
    for trial in step["trials"]:
        if _is_unsearched(trial, step):
            told += f", against {_on_scale(trial['fair']):.2f} without a search"
    return told


def _on_scale(grade: float) -> float:
    """An estimate of a grade may lie beyond the grades that there are."""
    return min(max(grade, LOWEST), HIGHEST)


def _is_unsearched(trial: Mapping[str, Any], step: Mapping[str, Any]) -> bool:
    ids: list[str] = trial["examples"]
    first: list[str] = step["annotated"][: len(ids)]
    return ids == first


def _cost(cost: Mapping[str, int]) -> str:
    if not cost["calls"]:
        return ""
    tokens = cost["prompt_tokens"] + cost["completion_tokens"]
    return f"Choosing took {cost['calls']:,} calls and {tokens:,} tokens."


def _trials(step: Mapping[str, Any]) -> str:
    places = {name: place for place, name in enumerate(step["annotated"], 1)}
    rows = "".join(
        f"<tr><td>{', '.join(str(places[name]) for name in trial['examples'])}"
        f"{' *' if _is_unsearched(trial, step) else ''}</td>"
        f"<td class='n'>{trial['items']}</td><td class='n'>{trial['grade']:.2f}</td>"
        f"<td class='n'>{_on_scale(trial['fair']):.2f}</td>"
        f"<td class='n'>{trial['agreement']:.2f}</td>"
        f"<td>{_fate(trial['abandoned'])}</td></tr>"
        for trial in step["trials"]
    )
    return (
        "<table><tr><th>set</th><th class='n'>questions</th><th class='n'>mean grade</th>"
        "<th class='n'>at equal questions</th><th class='n'>ROUGE-L F1</th><th></th></tr>"
        f"{rows}</table><p class='muted'>{FAIR}</p>"
    )


def _fate(abandoned: int | None) -> str:
    return "to the end" if abandoned is None else f"abandoned after round {abandoned}"


def _tried(step: Mapping[str, Any]) -> str:
    places = {name: place for place, name in enumerate(step["annotated"], 1)}
    rows = "".join(
        f"<tr><td class='n'>{places[one['item']]}</td><td>{escape(one['reason']) or 'passed'}</td>"
        f"<td class='n'>{_number(one['grade'])}</td>"
        f"<td class='n'>{_number(one['agreement'])}</td></tr>"
        for one in step["tried"]
    )
    return (
        "<table><tr><th class='n'>question</th><th>outcome</th><th class='n'>grade</th>"
        f"<th class='n'>ROUGE-L F1</th></tr>{rows}</table>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _example(example: Mapping[str, str]) -> str:
    return (
        f"<blockquote><p class='muted'>{escape(example['context'])}</p>"
        f"<p><b>{escape(example['question'])}</b><br>{escape(example['answer'])}</p></blockquote>"
    )


def _hidden(summary: str, content: str) -> str:
    return f"<details><summary class='muted'>{escape(summary)}</summary>{content}</details>"


def _curve(rounds: Sequence[Mapping[str, float]]) -> str:
    """Answers graded so far → the best set's grade, after every round."""
    most = max(one["answers"] for one in rounds)

    def x(answers: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * answers / most

    def y(grade: float) -> float:
        share = (_on_scale(grade) - LOWEST) / (HIGHEST - LOWEST)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    lines = "".join(
        f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y(n):.1f}' y2='{y(n):.1f}' class='grid'/>"
        f"<text x='{LEFT - 8}' y='{y(n) + 4:.1f}' text-anchor='end'>{n}</text>"
        for n in range(LOWEST, HIGHEST + 1)
    )
    places = [(x(one["answers"]), y(one["grade"]), one) for one in rounds]
    path = " ".join(f"{right:.1f},{down:.1f}" for right, down, _ in places)
    dots = "".join(
        f"<circle cx='{right:.1f}' cy='{down:.1f}' r='3.5'><title>{one['answers']} answers: "
        f"{_on_scale(one['grade']):.2f}</title></circle>"
        f"<text x='{right:.1f}' y='{HEIGHT - BOTTOM + 15}' text-anchor='middle'>"
        f"{one['answers']}</text>"
        for right, down, one in places
    )
    return (
        f"<svg class='curve' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' "
        f"role='img' aria-label='best grade by answers graded'>{lines}"
        f"<polyline points='{path}'/>{dots}"
        f"<text x='{LEFT}' y='{HEIGHT - 4}'>grade of the best set by answers graded</text></svg>"
    )
