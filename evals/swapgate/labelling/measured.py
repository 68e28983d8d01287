"""What a calibration says of a judge, as values: measures, tables, sentences, disagreements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from swapgate.records import Json
from swapgate.stats.correlations import Correlation
from swapgate.stats.interval import Interval
from swapgate.values import Value


class Measure(Value):
    """One number. `is_share` says that people read it in percent; `note` why it is missing or doubtful."""

    name: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    is_share: bool = False
    note: str = ""

    @classmethod
    def of(
        cls, name: str, found: Interval | Correlation, *, n: int | None = None, is_share: bool = False
    ) -> Measure:
        """Return the measure that an interval or a correlation is."""
        return cls(
            name=name,
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            n=found.n if isinstance(found, Correlation) else n,
            is_share=is_share,
            note=found.note,
        )


class Table(Value):
    """Rows of texts under a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(Value):
    """One part of the report. `key` is its name for machines; `facts` are for these alone."""

    key: str
    title: str
    measures: tuple[Measure, ...] = ()
    lines: tuple[str, ...] = ()
    table: Table | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)


class Disagreement(Value):
    """A response on which judge and people differ. Texts are None where the run is not at hand."""

    model: str | None
    suite: str | None
    case: str | None
    repeat: int | None
    verdict: str
    truth: str
    votes: str
    notes: tuple[str, ...] = ()
    reason: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    reference: str | None = None
    answer: str | None = None


class JudgeReport(Value):
    """The whole report on a judge. `labels` counts responses with a truth and a verdict."""

    judge: str
    judge_hash: str | None
    design: str
    labels: int
    pairs: int
    sections: tuple[Section, ...]
    disagreements: tuple[Disagreement, ...] = ()
    advice: tuple[str, ...] = ()

    def section(self, key: str) -> Section | None:
        """Return the section of a key."""
        return next((section for section in self.sections if section.key == key), None)


def as_json(report: JudgeReport, *, texts: bool = True) -> dict[str, Json]:
    """Return the report as plain values; without `texts` it holds numbers and names alone."""
    found: dict[str, Json] = {
        "judge": report.judge,
        "judge_hash": report.judge_hash,
        "design": report.design,
        "labels": report.labels,
        "pairs": report.pairs,
        **{section.key: _section(section) for section in report.sections},
        "advice": list(report.advice),
    }
    if texts:
        found["disagreements"] = [_disagreement(one) for one in report.disagreements]
    return found


def _section(section: Section) -> dict[str, Json]:
    measures: dict[str, Json] = {measure.name: _measure(measure) for measure in section.measures}
    return {**measures, **section.facts}


def _measure(measure: Measure) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "estimate": _rounded(measure.estimate),
        "low": _rounded(measure.low),
        "high": _rounded(measure.high),
    }
    if measure.n is not None:
        shown["n"] = measure.n
    return {**shown, "note": measure.note} if measure.note else shown


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _disagreement(one: Disagreement) -> dict[str, Json]:
    return {
        "model": one.model,
        "suite": one.suite,
        "case": one.case,
        "repeat": one.repeat,
        "verdict": one.verdict,
        "truth": one.truth,
        "votes": one.votes,
        "notes": list(one.notes),
        "reason": one.reason,
        "input": dict(one.inputs),
        "reference": one.reference,
        "answer": one.answer,
    }


def count(number: int, noun: str) -> str:
    """Return `1 label`, `2 labels`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
