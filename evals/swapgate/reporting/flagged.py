"""The cases that a reviewer must look at, with their places in the suites' files.

Where there is a baseline, those are the cases that it passes and the candidate misses; what both miss is no
news. Without one they are all misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os.path import normpath
from pathlib import Path
from typing import Literal

from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.quarantine import without_quarantined
from swapgate.facts import Facts
from swapgate.records import content_hash
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.reasons import of_outcome
from swapgate.values import Value

Kind = Literal["regression", "blind pass", "miss"]
KINDS: tuple[Kind, ...] = ("regression", "blind pass", "miss")
_NAME_CHARS = 120
_REASON_CHARS = 300


class Flagged(Value):
    """One case that one candidate misses; `missed` counts its repeats. Texts cannot steer a reader."""

    kind: Kind
    suite: str
    case: str
    model: str
    reason: str
    missed: int
    is_blind: bool

    @property
    def title(self) -> str:
        """Say what is wrong in two or three words."""
        return self.kind if self.kind != "regression" or not self.is_blind else "regression, a blind pass"

    @property
    def text(self) -> str:
        """Say which case it is, by whom, and why."""
        again = f" in {self.missed} repeats" if self.missed > 1 else ""
        name = safe_text(f"{self.suite}/{self.case} by {self.model}", _NAME_CHARS)
        return f"{name}: {self.title}{again}: {safe_text(self.reason, _REASON_CHARS)}"

    @property
    def fingerprint(self) -> str:
        """Return what stays the same when the case moves in its file, or is answered otherwise."""
        return content_hash([self.suite, self.case, self.model])


class Place(Value):
    """Where a case stands: its suite's file, as seen from the top of the git repository, and the line."""

    path: str
    line: int


def flagged_cases(outcome: RunOutcome) -> list[Flagged]:
    """Return the cases to look at, the worst first and each once for every candidate."""
    missed: dict[tuple[str, str, str], list[Facts]] = {}
    for facts in without_quarantined(outcome.facts):
        if facts.role == "candidate" and facts.outcome == "missed":
            missed.setdefault((facts.suite, facts.case, facts.model), []).append(facts)
    if outcome.comparisons:
        regressed = {(f.suite, f.case, c.candidate) for c in outcome.comparisons for f in c.regressed}
        missed = {key: found for key, found in missed.items() if key in regressed}
    flagged = [_flagged(found, has_baseline=bool(outcome.comparisons)) for found in missed.values()]
    return sorted(flagged, key=lambda f: (KINDS.index(f.kind), not f.is_blind, f.suite, f.case, f.model))


def places_of(flagged: Iterable[Flagged], outcome: RunOutcome, *, near: Path) -> dict[tuple[str, str], Place]:
    """Return the places of the cases; those of a comparison, whose trials are not at hand, are unknown.

    `near` is a folder of the workspace, or below it.
    """
    wanted = {(one.suite, one.case) for one in flagged}
    found: dict[tuple[str, str], Place] = {}
    paths: dict[str, str] = {}
    for trial in of_outcome(outcome.trials, "missed") if wanted else ():
        key = (trial.suite, trial.case)
        if key in wanted and key not in found and trial.path:
            if trial.path not in paths:
                paths[trial.path] = from_repository(trial.path, near.absolute())
            found[key] = Place(path=paths[trial.path], line=trial.line or 1)
        if len(found) == len(wanted):
            break
    return found


def from_repository(path: str, near: Path) -> str:
    """Return a file's path as services see it; one that cannot be found above `near` stays as it is.

    Services know neither `..` nor what is outside the repository.
    """
    root = next((folder for folder in (near, *near.parents) if (folder / path).is_file()), None)
    if root is None:
        return path
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    file = Path(normpath(root / path))
    return file.relative_to(top).as_posix() if file.is_relative_to(top) else path


def _flagged(trials: Sequence[Facts], *, has_baseline: bool) -> Flagged:
    first = trials[0]
    is_blind = any(one.is_blind_pass for one in trials)
    return Flagged(
        kind="regression" if has_baseline else "blind pass" if is_blind else "miss",
        suite=first.suite,
        case=first.case,
        model=first.model,
        reason=first.reason,
        missed=len(trials),
        is_blind=is_blind,
    )
