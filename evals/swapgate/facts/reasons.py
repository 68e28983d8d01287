"""Why a trial did not pass, in a line."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.records import CheckResult, Trial, Verdict

_REASON_CHARS = 200


def first_reason(trial: Trial) -> str:
    """Return why the trial errored or missed: the error, else the first failed check or judge."""
    if trial.error is not None:
        return f"{trial.error.kind.value}: {trial.error.message}"
    return next(_reasons(trial), "")


def shortened(text: str) -> str:
    """Return a reason as it is stored: one line, and not a long one."""
    line = " ".join(text.split())
    return line if len(line) <= _REASON_CHARS else line[: _REASON_CHARS - 1] + "…"


def _reasons(trial: Trial) -> Iterator[str]:
    yield from (_check_reason(c) for c in trial.checks if not c.passed and c.kind == "structural")
    yield from (_check_reason(c) for c in trial.checks if not c.passed and c.kind == "semantic")
    yield from (_verdict_reason(v) for v in trial.verdicts if _is_against(v))


def _is_against(verdict: Verdict) -> bool:
    return verdict.passed is not True and verdict.status != "inapplicable"


def _check_reason(check: CheckResult) -> str:
    if not check.findings:
        return check.check
    finding = check.findings[0]
    where = f" at {finding.unsaid_pointer}" if finding.unsaid_pointer else ""
    return f"{check.check}{where}: {finding.message}"


def _verdict_reason(verdict: Verdict) -> str:
    return f"{verdict.judge}: {verdict.reason or verdict.status}"
