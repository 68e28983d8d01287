"""The stages of a migration as the terminal and the page show them."""

from __future__ import annotations

from swapgate.analysis.stages import share_text
from swapgate.reporting.format import MISSING, moment, percent
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.standing import Stage

STAGES = ("stage", "version", "since", "answered", "failed", "looks", "verified", "ramp")
# The words of the ramp's looks, and the colours of the gate's answers.
LOOKS = {
    "advance": "went on",
    "wait": "waits",
    "bad": "bad look",
    "hold": "held",
    "rollback": "rolled back",
    "done": "done",
}
MARKS = {
    "advance": "pass", "done": "pass", "wait": "inconclusive", "bad": "fail", "hold": "fail",
    "rollback": "fail", "passed": "pass", "failed": "fail", "inconclusive": "inconclusive",
    "pass": "pass", "fail": "fail",
}  # fmt: skip


def stage_name(phase: Phase, share: float) -> str:
    """Return a stage as people call it: the phase, and the share of a canary."""
    return f"{phase} {share_text(share)}" if 0 < share < 1 else str(phase)


def stage_row(stage: Stage) -> tuple[str, ...]:
    """Return the cells of STAGES."""
    asked = stage.answered + stage.missed
    return (
        stage_name(stage.phase, stage.share),
        str(stage.version),
        moment(stage.since),
        f"{stage.answered:,}",
        percent(stage.missed / asked) if asked else MISSING,
        f"{stage.looks:,}",
        stage.verdict or MISSING,
        MISSING if stage.last is None else LOOKS[stage.last.word],
    )
