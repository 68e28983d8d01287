"""codequality.json: regressions for the widget of GitLab's merge requests; without a baseline, misses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.reporting.files import write_text
from swapgate.reporting.flagged import Kind, flagged_cases, places_of

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

_SEVERITY: Mapping[Kind, str] = {"regression": "critical", "blind pass": "major", "miss": "minor"}


class CodeQualityReporter:
    """Writes codequality.json."""

    name = "codequality"
    filename = "codequality.json"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write codequality.json into the folder and return its path."""
        flagged = flagged_cases(outcome)
        places = places_of(flagged, outcome, near=outcome.workspace or folder)
        issues = [
            {
                "description": one.text,
                "check_name": f"swapgate/{one.kind.replace(' ', '-')}",
                "fingerprint": one.fingerprint,
                "severity": _SEVERITY[one.kind],
                "location": {"path": place.path, "lines": {"begin": place.line}},
            }
            for one in flagged
            # GitLab refuses a file with an issue that has no place.
            if (place := places.get((one.suite, one.case))) is not None
        ]
        path = folder / self.filename
        write_text(path, json.dumps(issues, indent=1) + "\n")
        return path
