"""One case across runs: how each answer ended, and two of the answers beside each other."""

from __future__ import annotations

import json
from collections.abc import Sequence

from swapgate.facts import Facts
from swapgate.records import Json, Run, Trial
from swapgate.values import Value
from swapgate.viewing.archive import Archive, standing
from swapgate.viewing.asked import Asked
from swapgate.viewing.diff import Piece, diff
from swapgate.viewing.links import Answered, read_answered
from swapgate.viewing.problems import Refused
from swapgate.viewing.render import TEXT_CHARS, render

TERMS = ("suite", "case", "model", "a", "b", "last")
LAST, MOST = 200, 1_000


class Row(Value):
    """One answer to the case. Answers of equal words share a number, the first one's is 1."""

    answered: Answered
    run: Run | None
    facts: Facts
    standing: str
    number: int | None


def case_page(archive: Archive, asked: Asked) -> str:
    """Return the page."""
    suite, case = asked.needed("suite"), asked.needed("case")
    found = archive.case_facts(suite, case, limit=asked.number("last", LAST, most=MOST))
    if not found:
        raise Refused(404, f"No stored run has a case {case!r} in a suite {suite!r}")
    model = asked.text("model")
    rows = [row for row in _rows(archive, found) if model in {None, row.facts.model}]
    one, other = _chosen(asked, rows)
    trials = [archive.trial(suite, case, answered) for answered in (one, other) if answered is not None]
    return render(
        "case.html.j2",
        suite=suite,
        case=case,
        rows=rows,
        model=model,
        models=sorted({facts.model for _run, facts in found}),
        answers=len({row.number for row in rows} - {None}),
        one=one,
        other=other,
        trials=list(zip([a for a in (one, other) if a is not None], trials, strict=True)),
        pieces=_difference(trials),
        answer_of=answer_text,
        pretty=_pretty,
    )


def answer_text(trial: Trial) -> str:
    """Return an answer with the functions that it calls."""
    if trial.answer is None:
        return ""
    response = trial.answer.response
    calls = [f"[calls {call.name}] {call.arguments}" for call in response.tool_calls]
    return "\n".join([*([response.text] if response.text else []), *calls])


def _rows(archive: Archive, found: Sequence[tuple[str, Facts]]) -> list[Row]:
    heads = archive.heads_of({run for run, _facts in found})
    # The oldest answer is number 1, so that a number stays when runs are added.
    hashes = [facts.answer_hash for _run, facts in reversed(found) if facts.answer_hash is not None]
    numbers = {answer: number for number, answer in enumerate(dict.fromkeys(hashes), start=1)}
    return [
        Row(
            answered=Answered(run, facts.model, facts.repeat),
            run=heads.get(run),
            facts=facts,
            standing=standing(facts),
            number=numbers.get(facts.answer_hash or ""),
        )
        for run, facts in found
    ]


def _chosen(asked: Asked, rows: Sequence[Row]) -> tuple[Answered | None, Answered | None]:
    """Return the two answers that are shown, the older first.

    One that is named alone, or else the newest, stands beside the last one before it that differs.
    """
    named = [read_answered(text) for text in (asked.text("a"), asked.text("b")) if text is not None]
    if len(named) == 2:
        return named[0], named[1]
    wanted = named[0] if named else next((row.answered for row in rows if row.number is not None), None)
    place = next((n for n, row in enumerate(rows) if row.answered == wanted), None)
    if place is None:
        return wanted or (rows[0].answered if rows else None), None
    own = rows[place]
    before = next((row.answered for row in rows[place + 1 :] if _differs(row, own)), None)
    return (own.answered, None) if before is None else (before, own.answered)


def _differs(row: Row, other: Row) -> bool:
    return row.facts.model == other.facts.model and row.number not in {None, other.number}


def _difference(trials: Sequence[Trial]) -> list[Piece] | None:
    if len(trials) != 2:
        return None
    return diff(*(answer_text(trial)[:TEXT_CHARS] for trial in trials))


def _pretty(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
