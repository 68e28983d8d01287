"""report.html: one self-contained page that opens from disk and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from swapgate.analysis.compare import Comparison
from swapgate.analysis.distributions import Spread
from swapgate.analysis.matrix import Cell
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import CheckCount, Summary
from swapgate.facts import Facts
from swapgate.records import StoppedRule
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.files import atomic_file, whole
from swapgate.reporting.html import charts
from swapgate.reporting.html.lengths import length_charts
from swapgate.reporting.html.packing import PackedCases, blocks
from swapgate.reporting.html.scores import scores_by_model
from swapgate.reporting.html.templates import environment, part
from swapgate.reporting.html.trust import judge_trust
from swapgate.reporting.text import visible
from swapgate.reporting.words import comparing, findings, judges
from swapgate.reporting.words.reasons import (
    GATE_WORDS,
    correction_notes,
    headline,
    interval_notes,
    is_streamed,
    overall,
    paid_this_time,
    slices,
    telling,
    telling_slices,
)

if TYPE_CHECKING:
    from jinja2 import Template

# Where the cases go: autoescape turns the `<` of any data into an entity, so data cannot hold this.
_DATA_MARK = "<!--CASES-->"
# Bytes of packed cases held in memory, and the script's parts in the order in which they use each other.
_HELD = 1_000_000
# What nearly every page is made of besides its own template.
_USUAL = ("parts", "notes", "scores", "lengths", "covariates", "judges", "judge_costs")
_SCRIPTS = ("elements", "unpack", "places", "marked", "layout", "diff", "case", "filters", "list", "start")


class HtmlReporter:
    """Writes report.html, the cases one by one."""

    name = "html"
    filename = "report.html"

    def __init__(self) -> None:
        # Compiled now: a reporter is made while the last answers are still on their way.
        pages = _template().environment
        for name in _USUAL:
            pages.get_template(f"{name}.html.j2")

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write report.html into the folder and return its path."""
        path = folder / self.filename
        with SpooledTemporaryFile(_HELD) as cases, atomic_file(path) as stream:
            seen = PackedCases()
            for block in blocks(outcome.trials, outcome.comparisons, seen):
                cases.write(block)  # `writelines` would look at the limit after the last one
            cases.seek(0)
            head, _, tail = page(outcome, seen).partition(_DATA_MARK)
            stream.write(whole(head).encode())
            shutil.copyfileobj(cases, stream)
            stream.write(whole(tail).encode())
        return path


def page(outcome: RunOutcome, seen: PackedCases | None = None) -> str:
    """Return the page without its cases; `seen` is what was learned while these were packed."""
    seen = seen or PackedCases()
    script = _script()
    models = overall(outcome)
    suites = worst.suites_of(outcome, models)
    all_slices = [s for model in models for s in slices(outcome, model)]
    notes = interval_notes(outcome)
    all_notes = interval_notes(outcome, with_slices=True)
    context: dict[str, Any] = {
        "outcome": outcome,
        "models": models,
        "headlines": [headline(s) for s in models if s.role == "candidate"],
        "word": GATE_WORDS[outcome.gate.answer],
        "notes": [*correction_notes(outcome), *notes],
        "rows": [row for model, own in zip(models, suites.shown, strict=True) for row in (model, *own)],
        # Of many suites the better ones: folded, each model's after its own row.
        "further": [row for own, model in zip(suites.rest, models, strict=False) for row in (model, *own)],
        "folded_suites": max((len(own) for own in suites.rest), default=0),
        "suites_left_out": suites.left_out,
        "has_many_suites": worst.has_many_suites(outcome),
        "slices": all_slices,
        "slice_notes": [note for note in all_notes if note not in notes],
        "has_matrix": findings.has_matrix(outcome),
        "trust": judge_trust(outcome, seen.judges),
        "lengths": length_charts(outcome),
        "scores_of": [] if outcome.comparisons else scores_by_model(outcome),
        "most": worst.MOST,
        "misses": _misses(outcome.facts),
        "failing": _failing(models),
        "errors": [(s.model, kind, n) for s in models for kind, n in sorted(s.errors.items())],
        "json_kinds": sorted({kind for s in models for kind in s.json_kinds}),
        "identities": [
            *(("model", m) for m in outcome.run.models),
            *(("judge", j) for j in outcome.run.judges),
        ],
        "costs": {
            "models": show.money_sum([s.cost_usd for s in models]),
            "judges": show.money_sum([s.judge_cost_usd for s in models]),
            "paid": paid_this_time(outcome),
        },
        "style": part("report.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "data_mark": _DATA_MARK,
        "seen": seen,
        "is_streamed": is_streamed(outcome),
        "has_unscored": judges.has_unscored(outcome),
    }
    return _template().render(context).lstrip()


def case_link(suite: str, case: str, model: str, repeat: int) -> str:
    """Return the fragment that opens one case; the script compares it with what `case_data` shows."""
    parts = (suite, case, model, str(repeat))
    return "#case=" + "/".join(quote(visible(part), safe="") for part in parts)


def filter_link(outcome: str, **terms: str) -> str:
    """Return the fragment that filters the cases by outcome and by flip, model, suite, tag or text."""
    more = "".join(f"&{name}={quote(visible(value), safe='')}" for name, value in terms.items())
    return f"#filter={outcome}{more}"


def _misses(facts: Iterable[Facts]) -> Counter[tuple[str, str, str | None]]:
    """Return the number of misses by model, role and suite; suite None counts all."""
    missed = [one for one in facts if one.outcome == "missed"]
    counts = Counter[tuple[str, str, str | None]]((t.model, t.role, t.suite) for t in missed)
    counts.update((t.model, t.role, None) for t in missed)
    return counts


def _failing(models: Iterable[Summary]) -> list[tuple[str, CheckCount]]:
    """Return each model's checks that failed something, the most frequent first."""
    return [
        (summary.model, check)
        for summary in models
        for check in sorted(summary.checks, key=lambda c: (c.passed - c.n, c.name))
        if check.passed < check.n
    ]


def _spreads(outcome: RunOutcome, comparison: Comparison) -> list[Spread]:
    """Return a comparison's distributions: those over all suites, and those of suites that differ."""
    sides = (comparison.candidate, comparison.baseline)
    own = [s for s in outcome.spreads if (s.candidate, s.baseline) == sides]
    known = [s for s in own if s.comparison.baseline is not None and s.comparison.candidate is not None]
    return [s for s in known if s.suite is None or comparing.is_spread_told_apart(s)]


def _cells(row: Iterable[Cell]) -> dict[tuple[str, bool], Cell]:
    return {findings.column_of(cell): cell for cell in row}


def _scope_name(rule: StoppedRule) -> str:
    return Scope(rule.suite, rule.prompt, rule.tag).name


def _look_bounds(rule: StoppedRule) -> str:
    """Return the bounds over all looks: of a rate, or in points of a difference."""
    if rule.low is None or rule.high is None:
        return show.MISSING
    if rule.rule == "margin":
        return show.points_interval(rule.low, rule.high, rule.confidence)
    return f"[{rule.confidence:.0%}: {100 * rule.low:.1f}, {100 * rule.high:.1f}]"


@cache
def _script() -> str:
    """Return the page's one script, whose names are its own."""
    parts = "\n".join(part(f"script/{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();'


@cache
def _template() -> Template:
    pages = environment()
    pages.globals.update(
        case_link=case_link,
        cells_of=_cells,
        charts=charts,
        comparing=comparing,
        count=show.count,
        filter_link=filter_link,
        findings=findings,
        gate_words=GATE_WORDS,
        judges=judges,
        look_bounds=_look_bounds,
        scope_name=_scope_name,
        show=show,
        spreads_of=_spreads,
        telling=telling,
        telling_slices=telling_slices,
        worst=worst,
    )
    return pages.get_template("report.html.j2")
