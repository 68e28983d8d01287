"""The report on both swaps for machines. Texts and answers are those of the questions that lost most."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from swapgate.records import Json, to_json
from swapgate.reporting.answers.cells import arm_name
from swapgate.retrieval.answering.attribution import Attribution
from swapgate.retrieval.answering.effects import ArmRate
from swapgate.retrieval.answering.observations import Arm
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.wording import notes, reason, steps
from swapgate.retrieval.answering.worst import WorstQuestion

# Raised when a key changes its meaning or goes; keys that are added change nothing.
VERSION = 1


def as_json(report: JointReport) -> dict[str, Json]:
    """Return the report as plain values."""
    joint = report.joint
    return {
        "version": VERSION,
        "migration": report.migration,
        "suite": report.suite,
        "run": report.run,
        "embeddings": {str(side): name for side, name in report.embeddings.items()},
        "models": {str(role): name for role, name in report.models.items()},
        "verdict": joint.verdict,
        "exit_code": int(joint.exit_code),
        "cause": joint.first.cause,
        "measure": joint.first.measure,
        "slice": joint.first.slice,
        "reason": reason(joint),
        "steps": list(steps(joint)),
        "notes": [*notes(joint), *report.notes],
        "questions": joint.questions,
        "repeats": report.repeats,
        "same_texts": report.same_texts,
        "margin": joint.terms.margin,
        "errors": [{**_arm(arm), "missing": number} for arm, number in joint.errors.items()],
        "attributions": [_attribution(one) for one in joint.attributions],
        "explaining": _all(joint.rulings),
        "rates": [_rate(one) for one in joint.rates],
        "effects": _all(joint.effects),
        "by_retrieval": _all(joint.strata),
        "worst": [_worst(one) for one in report.worst],
        "paid_usd": report.paid_usd,
    }


def document(report: JointReport) -> str:
    """Return the text of report.json."""
    return json.dumps(as_json(report), indent=1) + "\n"


def _all(records: Iterable[Any]) -> list[Json]:
    return [to_json(one) for one in records]


def _arm(arm: Arm) -> dict[str, Json]:
    return {"index": arm.side, "model": arm.role, "name": arm_name(arm)}


def _attribution(one: Attribution) -> dict[str, Json]:
    written: dict[str, Json] = to_json(one)
    return {**written, "is_broken": one.is_broken, "needed": one.needed}


def _rate(one: ArmRate) -> dict[str, Json]:
    return {
        **_arm(one.arm), "measure": one.measure, "slice": one.slice, "n": one.n, "rate": to_json(one.rate)
    }  # fmt: skip


def _worst(one: WorstQuestion) -> dict[str, Json]:
    return {
        "question": one.question,
        "text": one.text,
        "reference": one.reference,
        "slices": list(one.slices),
        "texts": {side: to_json(found) for side, found in one.texts.items()},
        "answers": [
            {**_arm(answer.arm), "text": answer.text, "reason": answer.reason, **to_json(answer.outcome)}
            for answer in one.answers
        ],
    }
