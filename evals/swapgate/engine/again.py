"""A stored answer that is judged again: what of its record stays, and which judges are asked anew."""

from __future__ import annotations

from swapgate.records import Rival, Trial, TrialError, Verdict
from swapgate.values import Value, replace


class Again(Value):
    """One trial's record, to be scored again without a call to its model.

    `judges` are the names of those to ask, None for all; of the others the record's verdict stays where it
    has one. `runs_checks` says that the record's check results do not hold any more. `error` says why there
    is no answer to judge.
    """

    trial: Trial
    judges: frozenset[str] | None = None
    runs_checks: bool = False
    error: TrialError | None = None

    def begun(self, blank: Trial) -> Trial:
        """Return the new record with the old one's answer, which costs nothing this time."""
        answer = None if self.trial.answer is None else replace(self.trial.answer, from_cache=True)
        return replace(
            blank,
            prompt=self.trial.prompt,
            prompt_hash=self.trial.prompt_hash,
            messages=self.trial.messages,
            covariates=self.trial.covariates or blank.covariates,
            answer=answer,
            checks=() if self.runs_checks else self.trial.checks,
            error=self.error,
        )

    def rival(self, judge: str) -> Rival | None:
        """Return the other model's answer that the judge of this name compared with; it costs nothing now."""
        rival = next((v.rival for v in self.trial.verdicts if v.judge == judge and v.rival is not None), None)
        if rival is None or rival.answer is None:
            return rival
        return replace(rival, answer=replace(rival.answer, from_cache=True))

    def kept(self, judge: str) -> Verdict | None:
        """Return what the record's judge of this name said, where it is not to be asked again."""
        if self.judges is None or judge in self.judges:
            return None
        return next((v for v in self.trial.verdicts if v.judge == judge), None)
