"""The terminal's lines about all models: prompts, ranking, what failures depend on, what repeats say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.covariates import CovariateFinding
from swapgate.analysis.matrix import Cell
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.ranking import Rank
from swapgate.analysis.repeatability import FlakyCase, Repeatability
from swapgate.reporting import format as show
from swapgate.reporting.terminal.line import MESSAGE_CHARS, NAME_CHARS, Line, aligned, listed, name
from swapgate.reporting.text import safe_text
from swapgate.reporting.words import findings

PROMPTS = 12
COVARIATES = 6
FLAKY = 5
_COLUMN_CHARS = 24
_MARKS = {
    "worse": " worse",
    "better": " better",
    "not separated": " ~    ",
    "too few": " ?    ",
    "baseline": "",
    None: "",
}
# Not an equals sign: models that these cases cannot tell apart are not equal.
_SIGNS = {True: " > ", False: " ~ ", None: " ? "}


def finding_lines(outcome: RunOutcome, *, verbose: int) -> Iterator[Line]:
    """Yield what is told about all models, each part after an empty line; nothing where there is nothing."""
    parts = (
        _ranking(outcome.ranking),
        _matrix(outcome, verbose=verbose),
        _covariates(outcome.covariates, verbose=verbose),
        _repeatability(outcome.repeatability, verbose=verbose),
    )
    for part in parts:
        lines = list(part)
        if lines:
            yield Line(text="")
            yield from lines


def _ranking(ranks: Sequence[Rank]) -> Iterator[Line]:
    if not ranks:
        return
    text = ""
    for rank in ranks:
        sign = "" if rank is ranks[-1] else _SIGNS[rank.is_separated]
        text += f"{name(rank.model)} {show.percent(rank.rate)}{sign}"
    used = {rank.is_separated for rank in ranks[:-1]}
    legend = [
        words for told, words in ((False, "~ not separated"), (None, "? cannot be said")) if told in used
    ]
    yield Line(text=f"ranking ({ranks[0].measure}): {text}" + (f" ({', '.join(legend)})" if legend else ""))


def _matrix(outcome: RunOutcome, *, verbose: int) -> Iterator[Line]:
    cells = outcome.matrix
    columns = findings.matrix_models(cells)
    if not findings.has_matrix(outcome) or (len(columns) < 2 and verbose <= 0):
        return
    rows = findings.prompts_in_order(cells)
    yield Line(text=findings.matrix_title(cells), bold=True)
    told = [row for row in rows if any(cell.standing in {"worse", "better"} for cell in row[1])]
    shown = rows if verbose > 0 or len(rows) <= PROMPTS else told[:PROMPTS]
    if not shown:
        return
    header = ("", *(name(model, _COLUMN_CHARS) + (" (b)" if is_base else "") for model, is_base in columns))
    table = [header, *((f"  {name(prompt)}", *_row(row, columns)) for prompt, row in shown)]
    yield from (Line(text=text.rstrip()) for text in aligned(table))
    if len(rows) > len(shown):
        yield Line(text=f"  and {show.count(len(rows) - len(shown), 'prompt')} more")
    if any(is_base for _, is_base in columns):
        yield Line(text="  worse, better: told apart from the baseline (b); ~ not separated; ? too few cases")


def _row(row: Sequence[Cell], columns: Sequence[tuple[str, bool]]) -> list[str]:
    found = {findings.column_of(cell): cell for cell in row}
    return [_cell(found[column]) if column in found else show.MISSING for column in columns]


def _cell(cell: Cell) -> str:
    return f"{show.marked_percent(findings.cell_rate(cell))}{_MARKS[cell.standing]}"


def _covariates(found: Sequence[CovariateFinding], *, verbose: int) -> Iterator[Line]:
    told = found if verbose > 0 else [one for one in found if one.is_found]
    shown = told if verbose > 0 else told[:COVARIATES]
    for finding in shown:
        text = safe_text(findings.covariate_text(finding), MESSAGE_CHARS)
        yield Line(text=text, colour="yellow" if finding.is_found else None)
    if len(told) > len(shown):
        yield Line(text=f"and {len(told) - len(shown):,} more that failures depend on")


def _repeatability(found: Sequence[Repeatability], *, verbose: int) -> Iterator[Line]:
    for one in found:
        flaky = listed([_flaky(case) for case in one.flaky], FLAKY if verbose < 2 else None)
        yield Line(text=safe_text(findings.flaky_title(one), MESSAGE_CHARS) + (f": {flaky}" if flaky else ""))
        for among in one.among if verbose > 0 else one.among[-1:]:
            yield Line(text=f"  {findings.among_text(among)}")


def _flaky(case: FlakyCase) -> str:
    return f"{safe_text(f'{case.suite}/{case.case}', 2 * NAME_CHARS)} {case.passed}/{case.repeats}"
