"""One suggestion: proposals tried on the training half, the best one held against the other half."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from swapgate.analysis.error_limit import DEFAULT_ERRORS
from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.engine.judging_only import Draw
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.facts import facts_of, renamed
from swapgate.prompting.session import Session, open_session
from swapgate.prompting.suggesting.halves import Halves, Placed
from swapgate.prompting.suggesting.proposal import Proposal, Refused, read_proposal, require_usable
from swapgate.prompting.suggesting.request import messages
from swapgate.records import Message, Run, Trial
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Override, Prompt, effective
from swapgate.spec.suite import Case, LoadedSuite, PlacedCase, Suite
from swapgate.values import Value, replace

NOW = "the prompt as it is"
_SUITE = "prompt-suggest"


class Score(Value):
    """How many trials of some cases passed, of those that did not error."""

    passed: int
    counted: int
    errored: int = 0

    @property
    def rate(self) -> float:
        """The share that passed, 0 where nothing counts."""
        return self.passed / self.counted if self.counted else 0.0

    @property
    def is_poor(self) -> bool:
        """Whether too many trials errored for the rest to be believed."""
        return self.errored > DEFAULT_ERRORS * (self.counted + self.errored)

    def __str__(self) -> str:
        errored = f" ({self.errored} errored)" if self.errored else ""
        return f"{self.passed} of {self.counted} passed{errored}"


class Try(Value):
    """One proposal: why its author thinks so, and its score on the training half, or why it was refused."""

    number: int
    why: str = ""
    score: Score | None = None
    refused: str = ""
    chars: int = 0


class Suggestion(Value):
    """What came of it. `override` is the one that was chosen on the training half, None without any.

    `held_out` is what the gate says of it on cases that neither the proposals nor the choice have seen:
    the candidate against the prompt as it is. `problem` says why there is nothing to suggest.
    """

    prompt: str
    model: str
    proposer: str
    training_cases: int
    held_out_cases: int
    before: Score
    tries: tuple[Try, ...] = ()
    chosen: int | None = None
    override: Override | None = None
    changed: Prompt | None = None
    before_held_out: Score | None = None
    after_held_out: Score | None = None
    held_out: RunOutcome | None = None
    paid_usd: float = 0.0
    problem: str = ""

    @property
    def refused(self) -> int:
        """How many proposals were refused."""
        return sum(bool(one.refused) for one in self.tries)


class Suggesting:
    """Everything that one suggestion works with."""

    def __init__(
        self, workspace: Workspace, prompt: Prompt, model: ModelSpec, found: Halves, *, proposer: str
    ) -> None:
        self._workspace = workspace
        self._prompt = prompt
        self._model = model
        self._halves = found
        self._proposer = proposer

    def jobs(self, prompt: Prompt, cases: Sequence[Placed]) -> list[Job]:
        """Return the trials of some cases with a version of the prompt."""
        suites: dict[str, ReadySuite] = {}
        found = []
        for suite, case in cases:
            own = suites.setdefault(suite.name, replace(suite, prompt=prompt))
            found += [
                Job(suite=own, case=case, model=self._model.name, repeat=repeat, role="candidate")
                for repeat in range(1, self._workspace.settings.repeats + 1)
            ]
        return found

    def question(self, number: int, turns: tuple[Message, ...]) -> Job:
        """Return the trial that asks for a proposal: a case without checks."""
        case = Case(id=f"{self._prompt.prompt}-{number}", messages=turns)
        placed = PlacedCase(case=case, path=self._workspace.settings.root / _SUITE, line=1)
        loaded = LoadedSuite(path=placed.path, suite=Suite(suite=_SUITE), cases=(placed,))
        ready = ReadyCase(placed=placed, checks=(), judges=(), content_hash="")
        root = self._workspace.settings.root
        suite = ReadySuite(root=root, loaded=loaded, prompt=None, decoding_schema=None, cases=(ready,))
        return Job(suite=suite, case=ready, model=self._proposer, repeat=1, role="candidate")

    def models(self, cases: Iterable[ReadyCase]) -> dict[str, ModelSpec]:
        """Return every model that may be asked, ready to be: UsageError says what one lacks."""
        specs = self._workspace.models_of(cases, also=[self._proposer])
        self._workspace.require_ready(specs)
        return specs

    def most_jobs(self, *, tries: int) -> list[Job]:
        """Return all that may be asked, for a forecast: a proposal's text is not known yet.

        Another repeat of the prompt as it is stands for one, and a question without failures for a question.
        """
        training = self.jobs(self._prompt, self._halves.training)
        held_out = self.jobs(self._prompt, self._halves.held_out)
        by = self._workspace.settings.repeats
        current = effective(self._prompt, self._model)
        turns = messages(current, model=self._model.name, failures=(), passed="")
        found = [*training, *held_out, *(replace(job, repeat=job.repeat + by) for job in held_out)]
        for number in range(1, tries + 1):
            found.append(replace(self.question(number, turns), repeat=number))
            found += [replace(job, repeat=job.repeat + number * by) for job in training]
        return found

    def run(
        self, run: Run, *, tries: int, spent_usd: float = 0.0, draw: Draw = lambda _progress: None
    ) -> Suggestion:
        """Ask, try, choose and report. `run` is the manifest by whose rules the gate judges.

        `spent_usd` were paid for it before, in US dollars.
        """
        cases = [case for _suite, case in (*self._halves.training, *self._halves.held_out)]
        also = [self._proposer]
        with open_session(self._workspace, cases, draw=draw, also=also, spent_usd=spent_usd) as session:
            now = list(session.run(self.jobs(self._prompt, self._halves.training)))
            result = Suggestion(
                prompt=self._prompt.prompt,
                model=self._model.name,
                proposer=self._proposer,
                training_cases=len(self._halves.training),
                held_out_cases=len(self._halves.held_out),
                before=_score(now),
            )
            result = self._tried(result, now, session, run, tries=tries)
            return replace(result, paid_usd=spent_usd + session.paid_usd)

    def _tried(
        self, result: Suggestion, now: Sequence[Trial], session: Session, run: Run, *, tries: int
    ) -> Suggestion:
        if problem := _why_not_begin(now):
            return replace(result, problem=problem)
        made = list(self._proposals(now, session, tries=tries))
        result = replace(result, tries=tuple(one for one, _prompt in made))
        best = max(
            ((one, prompt) for one, prompt in made if one.score is not None and prompt is not None),
            key=lambda pair: (pair[0].score.rate if pair[0].score else 0.0, -pair[0].chars, -pair[0].number),
            default=None,
        )
        if best is None:
            return replace(result, problem="none of the proposals could be used")
        chosen, changed = best
        assert chosen.score is not None
        if chosen.score.rate <= result.before.rate:
            return replace(result, problem="no proposal did better on the training half than what there is")
        before = list(session.run(self.jobs(self._prompt, self._halves.held_out)))
        after = list(session.run(self.jobs(changed, self._halves.held_out)))
        return replace(
            result,
            chosen=chosen.number,
            override=changed.overrides[self._model.name],
            changed=changed,
            before_held_out=_score(before),
            after_held_out=_score(after),
            held_out=_outcome(run, before, after, model=self._model.name),
        )

    def _proposals(
        self, now: Sequence[Trial], session: Session, *, tries: int
    ) -> Iterator[tuple[Try, Prompt | None]]:
        repeats = self._workspace.settings.repeats
        places = [place for place in self._halves.training for _repeat in range(repeats)]
        failures = [(place, t) for place, t in zip(places, now, strict=True) if t.outcome == "missed"]
        current = effective(self._prompt, self._model)
        tried, earlier = [current.hash], list[str]()
        for number in range(1, tries + 1):
            turns = messages(
                current, model=self._model.name, failures=failures, passed=str(_score(now)), earlier=earlier
            )
            (reply,) = session.run([self.question(number, turns)])
            text = reply.answer.response.text if reply.answer is not None else ""
            try:
                proposal = _read(reply)
                changed = require_usable(proposal, self._prompt, self._model, self._halves.training, tried)
            except Refused as exc:
                earlier.append(f"{number}. refused: {exc}. It was: {text[:2000]}")
                yield Try(number=number, refused=str(exc)), None
                continue
            tried.append(effective(changed, self._model).hash)
            score = _score(list(session.run(self.jobs(changed, self._halves.training))))
            earlier.append(f"{number}. {score}: {text[:2000]}")
            if score.is_poor:
                yield Try(number=number, why=proposal.why, refused=f"on the training half {score}"), None
                continue
            chars = sum(map(len, proposal.texts()))
            yield Try(number=number, why=proposal.why, score=score, chars=chars), changed


def _read(reply: Trial) -> Proposal:
    if reply.answer is None or reply.error is not None:
        why = reply.error.message if reply.error is not None else "no reply"
        raise Refused(f"it could not be asked for: {why}")
    if reply.answer.response.finish_reason == "length":
        raise Refused("the reply was cut off at the token limit: give its model more max_tokens")
    return read_proposal(reply.answer.response.text)


def _why_not_begin(now: Sequence[Trial]) -> str:
    score = _score(now)
    if score.is_poor:
        first = next(trial.error.message for trial in now if trial.error is not None)
        return f"{score.errored} of {len(now)} training trials errored, the first: {first}"
    if score.passed == score.counted:
        return "no case of the training half fails: there is nothing to learn from"
    return ""


def _score(trials: Sequence[Trial]) -> Score:
    outcomes = [trial.outcome for trial in trials]
    counted = [one for one in outcomes if one in {"passed", "missed"}]
    return Score(passed=counted.count("passed"), counted=len(counted), errored=outcomes.count("errored"))


def _outcome(run: Run, before: Sequence[Trial], after: Sequence[Trial], *, model: str) -> RunOutcome:
    facts = [
        *renamed(map(facts_of, before), model=NOW, role="baseline"),
        *renamed(map(facts_of, after), model=model, role="candidate"),
    ]
    return conclude(replace(run, baseline=NOW, planned=len(facts)), (), facts=facts)
