"""report.sarif: regressions as SARIF 2.1.0, for code scanning. Without a baseline it holds the misses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.reporting.files import write_text
from swapgate.reporting.flagged import Flagged, Place, flagged_cases, places_of
from swapgate.reporting.sarif_log import MOST_RESULTS, SarifResult, SarifRule, sarif_text
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.reasons import gate_line

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

_LONGEST_GATE = 1000
# In the order of flagged.KINDS.
_RULES = (
    SarifRule(
        id="regression",
        level="error",
        what="The baseline passes this case, the candidate misses it.",
        help_text="Read both answers in report.html. Mend the prompt or the case, or keep the model.",
    ),
    SarifRule(
        id="blind-pass",
        level="warning",
        what="The answer is right in structure and wrong in meaning.",
        help_text="A check of the structure alone lets this answer through. Read it in report.html.",
    ),
    SarifRule(
        id="miss",
        level="note",
        what="The answer is wrong in structure.",
        help_text="The findings of the checks are in report.html.",
    ),
)


class SarifReporter:
    """Writes report.sarif."""

    name = "sarif"
    filename = "report.sarif"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write report.sarif into the folder and return its path."""
        flagged = flagged_cases(outcome)
        places = places_of(flagged[:MOST_RESULTS], outcome, near=outcome.workspace or folder)
        results = [_result(one, places.get((one.suite, one.case))) for one in flagged]
        path = folder / self.filename
        said = [gate_line(outcome.gate, _LONGEST_GATE)]
        write_text(path, sarif_text(_RULES, results, category="swapgate", said=said))
        return path


def _result(flagged: Flagged, place: Place | None) -> SarifResult:
    kind = flagged.kind.replace(" ", "-")
    return SarifResult(
        rule=kind,
        level=next(rule.level for rule in _RULES if rule.id == kind),
        text=flagged.text,
        fingerprint=flagged.fingerprint,
        path=place.path if place else None,
        line=place.line if place else 1,
        properties={"suite": safe_text(flagged.suite), "case": flagged.case, "missed": flagged.missed},
    )
