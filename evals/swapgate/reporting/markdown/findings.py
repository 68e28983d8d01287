"""report.md's parts about all models: prompts, ranking, what failures depend on, what repeats say."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.covariates import CovariateFinding
from swapgate.analysis.matrix import Cell
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.ranking import Rank
from swapgate.analysis.repeatability import FlakyCase, Repeatability
from swapgate.reporting import format as show
from swapgate.reporting.markdown.text import SENTENCE_CHARS, capped, escaped, folded, own, table
from swapgate.reporting.words import comparing, findings

MODELS = 12


def finding_sections(outcome: RunOutcome, most: int) -> list[list[str]]:
    """Return the sections that have anything to say."""
    return [
        _ranking(outcome.ranking, most),
        _matrix(outcome, most),
        _covariates(outcome.covariates, most),
        _repeatability(outcome.repeatability, most),
    ]


def _ranking(ranks: Sequence[Rank], most: int) -> list[str]:
    if not ranks:
        return []
    header = ("Place", "Model", f"{ranks[0].measure} rate", "To the next", "p, adjusted", "")
    rows = [
        [
            str(rank.place),
            escaped(rank.model),
            own(show.percent(rank.rate)),
            show.points(rank.to_next),
            own(show.p_value(rank.p_adjusted)),
            comparing.rank_word(rank),
        ]
        for rank in ranks
    ]
    return ["### Ranking", "", *table(header, rows, left=2, most=most), "", comparing.NOT_SEPARATED]


def _matrix(outcome: RunOutcome, most: int) -> list[str]:
    cells = outcome.matrix
    if not findings.has_matrix(outcome):
        return []
    columns = findings.matrix_models(cells)
    shown = columns[:MODELS]
    header = ["Prompt", *(escaped(model) + (" (baseline)" if is_base else "") for model, is_base in shown)]
    header += [f"{len(columns) - MODELS:,} more"] if len(columns) > MODELS else []
    rows = [_prompt_row(prompt, row, shown, len(header)) for prompt, row in findings.prompts_in_order(cells)]
    title = escaped(findings.matrix_title(cells), SENTENCE_CHARS)
    lines = [*table(header, rows, left=1, most=most), "", findings.MATRIX_LEGEND]
    return ["### Prompts", *folded(title, lines)]


def _prompt_row(
    prompt: str, row: Sequence[Cell], columns: Sequence[tuple[str, bool]], width: int
) -> list[str]:
    found = {findings.column_of(cell): cell for cell in row}
    cells = [_cell(found[column]) if column in found else show.MISSING for column in columns]
    return [escaped(prompt), *cells, *([""] * (width - len(cells) - 1))]


def _cell(cell: Cell) -> str:
    standing = cell.standing if cell.standing not in {None, "baseline"} else ""
    word = f"**{standing}**" if standing in {"worse", "better"} else standing
    return f"{own(show.marked_percent(findings.cell_rate(cell)))} {word}".strip()


def _covariates(found: Sequence[CovariateFinding], most: int) -> list[str]:
    told = [one for one in found if one.is_found]
    others = [one for one in found if not one.is_found]
    if not found:
        return []
    lines = ["### What failures depend on", ""]
    lines += capped(told, most, _covariate) if told else ["Not separated in any of the questions asked."]
    title = f"{show.count(len(others), 'other question')}: not separated, or too few failures"
    return lines + folded(title, capped(others, most, _covariate))


def _covariate(finding: CovariateFinding) -> str:
    return f"- {escaped(findings.covariate_text(finding), SENTENCE_CHARS)}"


def _repeatability(found: Sequence[Repeatability], most: int) -> list[str]:
    lines = capped(found, most, _repeats)
    flaky = [(one.model, case) for one in found for case in one.flaky]
    folded_cases = folded("Cases that waver", capped(flaky, most, _flaky))
    return ["### Repeats", "", *lines, *folded_cases] if lines else []


def _repeats(found: Repeatability) -> str:
    among = [f"  - {own(findings.among_text(among))}" for among in found.among]
    return "\n".join([f"- {escaped(findings.flaky_title(found), SENTENCE_CHARS)}", *among])


def _flaky(found: tuple[str, FlakyCase]) -> str:
    model, case = found
    name = escaped(f"{case.suite}/{case.case}")
    return f"- **{name}**: {case.passed} of {case.repeats} by {escaped(model)}"
