"""Rows of people's answers beside a judge's verdicts, as calibrations and label files hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from swapgate.errors import SpecError
from swapgate.spec.json_lines import read_json_lines
from swapgate.spec.source import validate
from swapgate.spec.suite import Written
from swapgate.values import Value, replace

Answer: TypeAlias = Literal["pass", "fail"]
PairAnswer: TypeAlias = Literal["a", "b", "tie"]
Design: TypeAlias = Literal["random", "by_verdict", "by_label"]
Hash: TypeAlias = Annotated[str, StringConstraints(min_length=8, pattern=r"^[0-9a-f]+$")]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Count: TypeAlias = Annotated[int, Field(ge=0)]


class LabelledVerdict(Written):
    """One verdict of the judge, and what one person says of the same response.

    `model`, `suite`, `case` and `repeat` name the response, `cluster` the source that its case shares with
    others; a row without them still counts. `response` tells apart responses of several runs. `verdict` is
    null where the judge could not be read. `scores` are the judge's, `truth_scores` the person's, by
    criterion; `characters` is the answer's length. `revised` takes the place of the person's earlier row,
    `reused` was said of the same response in another file.
    """

    response: Hash | None = None
    model: str | None = None
    suite: str | None = None
    case: str | None = None
    repeat: Annotated[int, Field(ge=1)] | None = None
    cluster: str | None = None
    verdict: Answer | None
    scores: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    truth: Literal["pass", "fail", "skip"]
    truth_scores: dict[str, float] = Field(default_factory=dict)
    annotator: Name | None = None
    note: str | None = None
    characters: Count | None = None
    revised: bool = False
    reused: bool = False


class LabelledPair(Written):
    """A pairwise judge's verdicts on two answers a and b, in both orders, and what people say.

    `winner` is the better answer by the judge when a stands first, `winner_swapped` when b does; null where
    it could not be read. `group` is what accuracies are shown by, `characters` are the answers' lengths.
    """

    suite: str | None = None
    case: str | None = None
    cluster: str | None = None
    group: str | None = None
    winner: PairAnswer | None
    winner_swapped: PairAnswer | None
    truth: PairAnswer
    characters: tuple[Count, Count] | None = None


class Population(Written):
    """How many of a model's judged responses pass, fail, or could not be judged."""

    passing: Count = Field(alias="pass")
    failing: Count = Field(alias="fail")
    unread: Count = 0


class Drawn(Written):
    """How many responses of either verdict were drawn."""

    passing: Count = Field(alias="pass")
    failing: Count = Field(alias="fail")


class Draw(Written):
    """Which responses of a run were drawn to be labelled.

    With the run and the seed this says what the sample is; `population` is what it was drawn from, a model
    each. `rule` made a pass of people's scores, where they were asked for scores.
    """

    judge: str
    judge_hash: Hash
    run: str
    design: Literal["random", "by_verdict"]
    seed: int
    count: Annotated[int, Field(ge=1)]
    drawn: Drawn
    population: dict[str, Population]
    asked: Literal["verdict", "scores"] = "verdict"
    rule: str | None = None


class DrawRow(Written):
    """The line of a label file that says how the rows below it were chosen."""

    draw: Draw


class Placed(Value):
    """A row with the place where it is written."""

    label: LabelledVerdict
    shown: str
    line: int


class LabelLines(Value):
    """What a label file holds: rows and draws, in order."""

    rows: tuple[Placed, ...]
    draws: tuple[Draw, ...]


class Truths(Value):
    """One row a response, its truth the answer of the majority; what came to no row is counted.

    `written` are all rows that count, one an annotator and response. `ties` are responses on which as many
    say pass as fail, `skipped` those that nobody could answer, `unread` those without a verdict.
    """

    rows: tuple[LabelledVerdict, ...]
    written: tuple[LabelledVerdict, ...]
    ties: int = 0
    skipped: int = 0
    unread: int = 0


def read_label_lines(path: Path, root: Path | None = None) -> LabelLines:
    """Return the rows and draws of a JSONL file; raise SpecError at the line that is wrong."""
    rows, draws = [], []
    for document in read_json_lines(path, root):
        if isinstance(document.data, dict) and "draw" in document.data:
            draws.append(validate(DrawRow, document, noun="a draw").draw)
        else:
            label = validate(LabelledVerdict, document, noun="a label")
            rows.append(Placed(label=label, shown=document.shown, line=document.place.line))
    return LabelLines(rows=tuple(rows), draws=tuple(draws))


def agreed(rows: Sequence[Placed]) -> Truths:
    """Return what people agree on; raise SpecError where one of them answers twice for a response."""
    counting = _counting(rows)
    by_response: dict[Hashable, list[Placed]] = defaultdict(list)
    for (response, _annotator), row in counting.items():
        by_response[response].append(row)
    found, left = [], {"ties": 0, "skipped": 0, "unread": 0}
    for own in by_response.values():
        first = _same_verdict(own).label
        votes = [row.label.truth for row in own if row.label.truth != "skip"]
        passing = votes.count("pass")
        if not votes:
            left["skipped"] += 1
        elif 2 * passing == len(votes):
            left["ties"] += 1
        elif first.verdict is None:
            left["unread"] += 1
        else:
            truth: Answer = "pass" if 2 * passing > len(votes) else "fail"
            scores = _mean_scores(row.label for row in own)
            found.append(first.model_copy(update={"truth": truth, "truth_scores": scores}))
    written = tuple(row.label for row in counting.values())
    return Truths(rows=tuple(found), written=written, **left)


def response_key(row: LabelledVerdict, index: int) -> Hashable:
    """Return what makes two rows be of the same response."""
    if row.response is not None:
        return row.response
    return ("row", index) if row.case is None else (row.model, row.suite, row.case, row.repeat)


def cluster_of(row: LabelledVerdict, index: int) -> Hashable:
    """Return what hangs together with this row: its cases' source, its case, or nothing else."""
    if row.cluster is not None:
        return "cluster", row.suite, row.cluster
    return ("case", row.suite, row.case) if row.case is not None else ("row", index)


def _counting(rows: Sequence[Placed]) -> dict[tuple[Hashable, str | None], Placed]:
    """Return the row that counts of each person for each response: the last, where it says `revised`."""
    seen: dict[tuple[Hashable, str | None], Placed] = {}
    for index, row in enumerate(rows):
        label = row.label
        key = (response_key(label, index), label.annotator)
        first = seen.get(key)
        if first is not None and not label.revised:
            raise SpecError(_twice(label, first), path=row.shown, line=row.line)
        seen[key] = row if first is None else replace(row, label=_with_note(label, first.label))
    return seen


def _twice(label: LabelledVerdict, first: Placed) -> str:
    of = f"case {label.case!r}" if label.case is not None else f"{label.response}"
    where = f"{first.shown}:{first.line}"
    if label.annotator is None:
        return (
            f"the response to {of} is already labelled at {where}: "
            "keep one label, or name the model and the repeat"
        )
    return (
        f"{label.annotator!r} has already labelled the response to {of} at {where}: "
        "keep one label, or write `revised: true` into the later one"
    )


def _with_note(label: LabelledVerdict, earlier: LabelledVerdict) -> LabelledVerdict:
    return label if label.note or not earlier.note else label.model_copy(update={"note": earlier.note})


def _same_verdict(rows: Sequence[Placed]) -> Placed:
    """Return the first row of a response; raise SpecError at one that names another verdict."""
    first = rows[0]
    other = next((row for row in rows if row.label.verdict != first.label.verdict), None)
    if other is not None:
        message = (
            f"the verdict on this response is {other.label.verdict!r} here and {first.label.verdict!r} at "
            f"{first.shown}:{first.line}: keep labels of two definitions of a judge in two files"
        )
        raise SpecError(message, path=other.shown, line=other.line)
    return first


def _mean_scores(rows: Iterable[LabelledVerdict]) -> dict[str, float]:
    given: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, score in row.truth_scores.items():
            given[name].append(score)
    return {name: sum(scores) / len(scores) for name, scores in given.items()}
