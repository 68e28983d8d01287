"""What failures depend on, how prompts fare on models, what repeats say: in words, for every report."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.covariates import CovariateFinding
from swapgate.analysis.matrix import FALSE_DISCOVERIES, FEWEST_CASES, Cell
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.rates import Rate
from swapgate.analysis.repeatability import AmongK, Repeatability
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text
from swapgate.stats.interval import Interval

NAME_CHARS = 48
MATRIX_LEGEND = (
    f"Worse and better: told apart from the baseline, {FALSE_DISCOVERIES:.0%} of them by chance. "
    f"Not separated: these cases cannot tell. Too few: fewer than {FEWEST_CASES} cases, or no interval."
)
_ORDER = ("worse", "better", "not separated", "too few", "baseline", None)


def covariate_text(finding: CovariateFinding) -> str:
    """Return one sentence about a finding: a threshold with its rates, a trend, or why there is neither."""
    subject, covariate = covariate_subject(finding), safe_text(finding.covariate, NAME_CHARS)
    p = f"p {show.p_value(finding.p_adjusted if finding.p_adjusted is not None else finding.p_value)}"
    if finding.answer == "threshold" and finding.cut is not None:
        return (
            f"{subject} {_verb(finding)} above {covariate} {show.number(finding.cut)}"
            f"{cut_range(finding)}: {side_text(finding, finding.below)} below, "
            f"{side_text(finding, finding.above)} above, {p}"
        )
    if finding.is_found:
        return f"{subject} {_verb(finding)} with {covariate} (trend, no threshold), {p}"
    why = p if finding.p_value is not None else finding.note
    return f"{subject} by {covariate}: {finding.answer}{f', {why}' if why else ''}"


def covariate_subject(finding: CovariateFinding) -> str:
    """Return what the finding is about: the failures of a model, or how two models differ in them."""
    measure, model = safe_text(finding.measure, NAME_CHARS), safe_text(finding.model, NAME_CHARS)
    if finding.baseline is None:
        return f"{measure[:1].upper()}{measure[1:]} failures of {model}"
    return f"The difference in {measure} failures, {model} minus {safe_text(finding.baseline, NAME_CHARS)},"


def cut_range(finding: CovariateFinding) -> str:
    """Return ` (range 560 to 655)`, empty where it is a single number or unknown."""
    if finding.cut_low is None or finding.cut_high is None or finding.cut_low == finding.cut_high:
        return ""
    return f" (range {show.number(finding.cut_low)} to {show.number(finding.cut_high)})"


def side_text(finding: CovariateFinding, side: Interval | None) -> str:
    """Return the failure rate on one side of a cut; a difference of two in points."""
    estimate = None if side is None else side.estimate
    return show.percent(estimate) if finding.baseline is None else f"{show.points(estimate)} points"


def scale_text(finding: CovariateFinding, value: float) -> str:
    """Return one end of a chart's scale: a failure rate, or a difference of two in points."""
    return f"{100 * value:.0f}%" if finding.baseline is None else f"{100 * value:+.0f}"


def prompts_in_order(cells: Sequence[Cell]) -> list[tuple[str, list[Cell]]]:
    """Return each prompt with its cells; worse ones first, then better ones, then by the largest drop."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.prompt, []).append(cell)
    return sorted(rows.items(), key=lambda row: (*_urgency(row[1]), row[0]))


def matrix_models(cells: Sequence[Cell]) -> list[tuple[str, bool]]:
    """Return the columns of the matrix: each model, and whether it is a baseline."""
    return list(dict.fromkeys(column_of(cell) for cell in cells))


def column_of(cell: Cell) -> tuple[str, bool]:
    """Return the matrix's column that a cell stands in."""
    return cell.model, cell.standing == "baseline"


def cell_rate(cell: Cell) -> Rate:
    """Return the rate that a cell is about."""
    return cell.semantic if cell.measure == "semantic" else cell.structural


def matrix_title(cells: Sequence[Cell]) -> str:
    """Return what the matrix shows, and how many prompts are told apart from a baseline."""
    measures = {cell.measure for cell in cells}
    what = "structural pass rate where nothing scored the meaning" if len(measures) > 1 else ""
    what = what or f"{next(iter(measures))} pass rate"
    rows = prompts_in_order(cells)
    compared = [row for _, row in rows if any(c.standing not in {None, "baseline"} for c in row)]
    differ = sum(any(c.standing in {"worse", "better"} for c in row) for row in compared)
    few = sum(all(c.standing in {"too few", "baseline", None} for c in row) for row in compared)
    counted = (
        f": {differ} of {show.count(len(rows), 'prompt')} told apart from the baseline" if compared else ""
    )
    return f"Prompts by model, {what}{counted}{f', {few} with too few cases to tell' if few else ''}"


def has_matrix(outcome: RunOutcome) -> bool:
    """Whether several prompts were run."""
    return len({cell.prompt for cell in outcome.matrix}) > 1


def flaky_title(found: Repeatability) -> str:
    """Return how many cases wavered."""
    return (
        f"{found.model}: {len(found.flaky)} of {show.count(found.cases, 'case')} "
        f"waver over {found.repeats} repeats"
    )


def among_text(among: AmongK) -> str:
    """Return the chances that all of k answers pass (pass^k), and that one of them does (pass@k)."""
    every = chance(among.all_of, among.all_of_low, among.all_of_high)
    some = chance(among.at_least_one, among.at_least_one_low, among.at_least_one_high)
    return f"all of {among.k} pass {every} (pass^{among.k}), at least one {some} (pass@{among.k})"


def chance(estimate: float | None, low: float | None, high: float | None) -> str:
    """Return a chance in percent with its interval where it has one."""
    if estimate is None or low is None or high is None:
        return show.percent(estimate)
    return f"{show.percent(estimate)} [{100 * low:.1f}, {100 * high:.1f}]"


def _verb(finding: CovariateFinding) -> str:
    below = finding.below.estimate if finding.below else None
    above = finding.above.estimate if finding.above else None
    slope = finding.slope.estimate if finding.slope else None
    rise = above - below if above is not None and below is not None else slope
    if not rise:
        return "change"
    if finding.baseline is not None:
        return "rises" if rise > 0 else "falls"
    return "rise" if rise > 0 else "fall"


def _urgency(row: Sequence[Cell]) -> tuple[int, float]:
    first = min(_ORDER.index(cell.standing) for cell in row)
    estimates = [cell.estimate for cell in row if cell.estimate is not None]
    rates = [rate for cell in row if (rate := cell_rate(cell).rate) is not None]
    return first, min(estimates, default=min(rates, default=0.0))
