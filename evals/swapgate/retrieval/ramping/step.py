"""One step of the ramp: a look, what follows from it, and the change; safe to be killed anywhere."""

from __future__ import annotations

from collections.abc import Callable

from swapgate.analysis.stages import share_text
from swapgate.errors import ExitCode, NotAsked, ProviderError
from swapgate.reporting.text import safe_text
from swapgate.retrieval.fingerprint import FingerprintError
from swapgate.retrieval.index import Side, VectorIndex, VectorIndexError
from swapgate.retrieval.moving import move
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.ramping.clock import Moment, moment
from swapgate.retrieval.ramping.decide import Decision, decide, require_ramp
from swapgate.retrieval.ramping.looks import Look, Word, store_look
from swapgate.retrieval.ramping.seen import Seen, Verified, last_verified, said, see, troubles_of
from swapgate.retrieval.records import VERIFICATION
from swapgate.retrieval.state import MigrationChanged, StateStore
from swapgate.retrieval.verifying import verify
from swapgate.values import Value, replace

EXIT_CODES: dict[Word, ExitCode] = {
    "advance": ExitCode.OK,
    "done": ExitCode.OK,
    "wait": ExitCode.INCONCLUSIVE,
    "bad": ExitCode.FAILED,
    "hold": ExitCode.FAILED,
    "rollback": ExitCode.ROLLBACK,
}
_LONGEST_WHY = 2_000
_TRIES = 3
_DRY = "that is done first where it is no dry run"


class Step(Value):
    """What one look led to: the migration before it and after, which are the same where nothing changed."""

    before: Migration
    after: Migration
    decision: Decision
    seen: Seen | None
    is_dry: bool

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with for it."""
        return EXIT_CODES[self.decision.word]


class Ramper:
    """Moves one migration up its ramp. Any number of them may run: of two changes at once one is refused.

    `verifies` has it verify a stage where no verification of it is stored yet, which asks both indexes, and
    a judge where one is written. `clock` tells the time.
    """

    def __init__(
        self,
        workspace: IndexWorkspace,
        store: StateStore,
        *,
        index: Callable[[Side], VectorIndex],
        who: str,
        verifies: bool = True,
        clock: Callable[[], Moment] = moment,
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._index = index
        self._who = who
        self._verifies = verifies
        self._clock = clock
        self._plan = workspace.file.ramp

    def step(self, *, is_dry: bool = False) -> Step:
        """Look once, and change what follows; UsageError where the migration is not on its ramp."""
        now = self._store.get(self._workspace.name)
        require_ramp(now)
        self._workspace.require_begun(now)
        if now.phase in {Phase.ROLLED_BACK, Phase.BAKE, Phase.RETIRED}:
            return Step(before=now, after=now, decision=self._over(now), seen=None, is_dry=is_dry)
        seen = self._see(now, is_dry=is_dry)
        decision = decide(self._plan, now, seen)
        if is_dry:
            return Step(before=now, after=now, decision=decision, seen=seen, is_dry=True)
        store_look(self._store, now, _look(now, seen, decision))
        after, decision = self._follow(now, decision)
        return Step(before=now, after=after, decision=decision, seen=seen, is_dry=False)

    def _see(self, now: Migration, *, is_dry: bool) -> Seen:
        time = self._clock()
        verified = last_verified(self._store, now, self._plan, time)
        troubles = troubles_of(now, self._index)
        seen = see(self._store, now, self._plan, troubles=troubles, verified=verified, moment=time)
        if verified.word != "missing" or not self._verifies or troubles:
            return seen
        # Verifying may take minutes: what burns is put out first.
        if decide(self._plan, now, seen).word == "rollback":
            return seen
        first = Verified(word="missing", reasons=(_DRY,)) if is_dry else self._verify(now)
        return replace(seen, verified=first)

    def _verify(self, now: Migration) -> Verified:
        """Verify the stage; what breaks off on account of something else says nothing of the index."""
        try:
            verify(self._workspace, self._store, now, index=self._index)
        except FingerprintError as exc:
            return Verified(word="failed", reasons=(safe_text(str(exc), _LONGEST_WHY),))
        except VectorIndexError as exc:
            return Verified(word="unread", reasons=(safe_text(str(exc), _LONGEST_WHY),))
        except (ProviderError, NotAsked) as exc:
            return Verified(word="missing", reasons=(safe_text(str(exc), _LONGEST_WHY),))
        return said(self._store.evidence(now.name, VERIFICATION)[-1])

    def _follow(self, now: Migration, decision: Decision) -> tuple[Migration, Decision]:
        """Change what was decided; what somebody else has changed meanwhile is left to the next look."""
        if decision.to is None:
            return now, decision
        for _ in range(_TRIES):
            try:
                return self._change(now, decision), decision
            except MigrationChanged as exc:
                now = self._store.get(now.name)
                # Whoever was quicker may have gone on: what is shown to be bad is taken back all the same.
                if decision.word != "rollback" or now.phase not in {Phase.CANARY, Phase.PROMOTED}:
                    return now, Decision(word="wait", reasons=(str(exc),))
        return now, Decision(word="bad", reasons=("it is changed all the time by others",))

    def _change(self, now: Migration, decision: Decision) -> Migration:
        assert decision.to is not None
        return move(
            self._store,
            now,
            decision.to,
            new=lambda: self._index("new"),
            who=self._who,
            why=why(decision, now),
            share=decision.share,
        ).migration

    def _over(self, now: Migration) -> Decision:
        """Return what is to be said where the ramp has ended."""
        if now.phase is not Phase.ROLLED_BACK:
            return Decision(word="done", reasons=(f"the new index serves everybody: {now.phase}",))
        last = self._store.changes(now.name)[-1]
        return Decision(
            word="wait",
            reasons=(
                f"it was rolled back by {last.who}: {last.why}",
                "mend that, then go the way again from `swapgate index move backfill`",
            ),
        )


def why(decision: Decision, now: Migration) -> str:
    """Return the reason that is stored with a change of the ramp."""
    head = "ramp: the gate failed" if decision.word == "rollback" else "ramp: the stage held"
    at = "shadow_read" if now.phase is Phase.SHADOW_READ else share_text(now.share)
    return safe_text(f"{head} at {at}: {'; '.join(decision.reasons)}", _LONGEST_WHY)


def _look(now: Migration, seen: Seen, decision: Decision) -> Look:
    return Look(
        word=decision.word,
        reasons=decision.reasons,
        moment=seen.moment,
        phase=now.phase,
        at_share=now.share,
        to=decision.to,
        share=decision.share,
        served=seen.tally.served["new"] + seen.tally.shadow_served,
        missed=seen.tally.missed["new"] + seen.tally.shadow_missed,
        ripe=seen.ripe,
        verified=seen.verified.word,
        facts=tuple(one.sentence for one in seen.rulings),
    )
