"""What every judge can say without judging, whether it asks a model or is code."""

from __future__ import annotations

from typing import Protocol

from swapgate.records import Rival, Verdict, VerdictStatus
from swapgate.spec.judges import JudgeHead


class Abstaining(Protocol):
    """A judge of any kind, as far as it may say nothing.

    `definition_hash` covers everything that its verdicts depend on.
    """

    spec: JudgeHead
    definition_hash: str

    @property
    def model_names(self) -> str:
        """What gives the verdicts: a model, of a panel all of them, or what stands in its place."""
        ...

    @property
    def wants_canaries(self) -> bool:
        """Whether a run begins with answers that must fail."""
        return False

    def skipped(self, reason: str) -> Verdict:
        """Return the verdict of a judge that was not asked."""
        return self._verdict("skipped", reason)

    def inapplicable(self, reason: str) -> Verdict:
        """Return the verdict of a judge that has nothing to say of an answer: it neither passes nor fails."""
        return self._verdict("inapplicable", reason)

    def undecided(self, reason: str) -> Verdict:
        """Return the verdict of a judge that came to no score."""
        return self._verdict("error", reason)

    def _verdict(
        self, status: VerdictStatus, reason: str, *, passed: bool | None = None, rival: Rival | None = None
    ) -> Verdict:
        return Verdict(
            judge=self.spec.judge,
            model=self.model_names,
            definition_hash=self.definition_hash,
            status=status,
            passed=passed,
            reason=reason,
            rival=rival,
        )
