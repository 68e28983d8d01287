"""junit.xml: a stored run for whatever reads JUnit. Under pytest, `--junitxml` writes one as well.

Only what the schema of Jenkins knows is written: a trial's model stands in its name, what was wrong with it
in its failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from xml.sax.saxutils import escape, quoteattr

from swapgate.facts.reasons import first_reason
from swapgate.reporting.files import atomic_file
from swapgate.reporting.terminal.explain import explain_trial
from swapgate.reporting.text import safe_text, visible
from swapgate.reporting.words.reasons import GATE_WORDS, in_order, standing

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.facts import Facts
    from swapgate.records import Trial

_REASON_CHARS = 300
# What no document of XML 1.0 may hold, and `visible` leaves.
_ILLEGAL = re.compile("[\ufffe\uffff]")
_TYPES = {"blind": "blind pass", "missed": "miss", "unscored": "unscored"}


class JunitReporter:
    """Writes junit.xml trial by trial."""

    name = "junit"
    filename = "junit.xml"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write junit.xml into the folder and return its path."""
        path = folder / self.filename
        with atomic_file(path) as stream:
            for text in _document(outcome):
                _write(stream, text)
        return path


def _write(stream: BinaryIO, text: str) -> None:
    stream.write(_ILLEGAL.sub("\ufffd", text).encode() + b"\n")


def _document(outcome: RunOutcome) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f"<testsuites {_attributes({'name': 'swapgate', **_counts(outcome.facts)})}>"
    by_suite: dict[str, list[Facts]] = {}
    for facts in outcome.facts:
        by_suite.setdefault(facts.suite, []).append(facts)
    for suite, trials in groupby(in_order(outcome.trials), key=lambda trial: trial.suite):
        counts = {**_counts(by_suite.get(suite, ())), "skipped": "0"}
        about = {"name": suite, **counts, "timestamp": outcome.run.started_at[:19]}
        yield f"<testsuite {_attributes(about)}>"
        yield from _properties(outcome)
        for trial in trials:
            yield from _case(trial, repeats=outcome.run.repeats)
        yield "</testsuite>"
    yield "</testsuites>"


def _counts(facts: Sequence[Facts]) -> dict[str, str]:
    """Return the attributes that count; a baseline's trials never fail, as in a session of pytest."""
    own = [one.outcome for one in facts if one.role == "candidate"]
    seconds = sum(one.latency_s or 0.0 for one in facts)
    return {
        "tests": str(len(facts)),
        "failures": str(own.count("missed") + own.count("unscored")),
        "errors": str(own.count("errored")),
        "time": f"{seconds:.3f}",
    }


def gate_properties(outcome: RunOutcome) -> dict[str, str]:
    """Return what a file of JUnit says of the run as a whole."""
    gate = outcome.gate
    return {
        "swapgate_run": outcome.run.id,
        "swapgate_gate": GATE_WORDS[gate.answer].lower(),
        "swapgate_gate_reason": safe_text(gate.reason),
        "swapgate_gate_exit_code": str(int(gate.exit_code)),
    }


def _properties(outcome: RunOutcome) -> Iterator[str]:
    yield "<properties>"
    for name, value in gate_properties(outcome).items():
        yield f"<property {_attributes({'name': name, 'value': value})}/>"
    yield "</properties>"


def _case(trial: Trial, *, repeats: int) -> Iterator[str]:
    again = f"#{trial.repeat}" if repeats > 1 else ""
    about = {
        "classname": (trial.path or trial.suite).replace("/", "."),
        "name": f"{trial.case}[{trial.model}{again}]",
        "time": f"{trial.answer.response.latency_s or 0.0 if trial.answer else 0.0:.3f}",
    }
    result = _result(trial)
    yield f"<testcase {_attributes(about)}{'>' if result else '/>'}"
    if result:
        yield f"{result}\n</testcase>"


def _result(trial: Trial) -> str:
    if trial.role == "baseline" or trial.outcome == "passed":
        return ""
    tag, kind = "failure", _TYPES.get(standing(trial), "")
    if trial.outcome == "errored":
        tag, kind = "error", trial.error.kind.value if trial.error else "no answer"
    about = {"type": kind, "message": safe_text(first_reason(trial), _REASON_CHARS)}
    return f"<{tag} {_attributes(about)}>{escape(chr(10).join(map(visible, explain_trial(trial))))}</{tag}>"


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(visible(value))}" for name, value in values.items())
