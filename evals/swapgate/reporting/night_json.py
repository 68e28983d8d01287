"""Nights for machines: the whole report, and the short message that a webhook is told."""

from __future__ import annotations

from typing import Any

from swapgate.analysis.night_report import NightReport
from swapgate.analysis.night_subjects import Subject
from swapgate.records import to_json
from swapgate.reporting.words import nights as words

# Counted up when a key changes its meaning or goes away; new keys may come at any time.
VERSION = 1
_LINES = 12
_TEXT_CHARS = 3000


def report_json(report: NightReport) -> dict[str, Any]:
    """Return all that is known, as `swapgate drift --json` prints it."""
    return {"version": VERSION, "conclusion": words.conclusion(report), **_object(to_json(report))}


def message(
    report: NightReport,
    *,
    answer: str | None = None,
    gate: dict[str, Any] | None = None,
    conclusion: str | None = None,
) -> dict[str, Any]:
    """Return what a webhook is posted: small, versioned, with a `text` that chat services show.

    `answer`, `gate` and `conclusion` are those of a night that was run just now.
    """
    said = conclusion or words.conclusion(report)
    found: dict[str, Any] = {
        "version": VERSION,
        "text": _text(report, said),
        "answer": answer or report.answer,
        "conclusion": said,
        "at": report.at,
        "run": report.nights[-1].run if report.nights else None,
        "nights": len(report.nights),
        "missed": sum(gap.missed for gap in report.gaps if gap.before is None),
        "subjects": [_subject(subject) for subject in report.subjects],
    }
    return found if gate is None else {**found, "gate": gate}


def _subject(subject: Subject) -> dict[str, Any]:
    drifted = [one for one in subject.series if one.answer == "drift"]
    return {
        "kind": subject.kind,
        "name": subject.name,
        "answer": subject.answer,
        "reasons": list(subject.reasons),
        "served": to_json(subject.served) if subject.served is not None else None,
        "fingerprint": to_json(subject.fingerprint) if subject.fingerprint is not None else None,
        "drifted": [
            {
                "suite": one.suite,
                "measure": one.measure,
                "since": one.since,
                "before": one.before,
                "now": one.now,
                "earliest": one.earliest,
                "latest": one.latest,
                "changes": [{"at": c.at, "change": words.change_text(c)} for c in one.changes],
            }
            for one in drifted
        ],
    }


def _text(report: NightReport, conclusion: str) -> str:
    """Return the message for people: the conclusion, then what drifted or could not be told."""
    lines = [f"swapgate: {conclusion}"]
    for subject in report.subjects:
        if subject.answer in {"drift", "cannot tell"}:
            lines += words.subject_lines(subject)
    kept = lines[: _LINES + 1] + (["..."] if len(lines) > _LINES + 1 else [])
    return "\n".join(kept)[:_TEXT_CHARS]


def _object(found: Any) -> dict[str, Any]:
    assert isinstance(found, dict)
    return found
