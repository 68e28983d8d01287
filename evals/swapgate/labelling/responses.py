"""The judged responses of a run that people can label, and what a person is shown of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from swapgate.errors import UsageError, nearest
from swapgate.facts import facts_of
from swapgate.judging.subject import answer_text, as_text
from swapgate.records import Json, Trial, Verdict, content_hash
from swapgate.spec.labels import Answer, Population
from swapgate.values import Value

ID_CHARS = 16
# Inputs of cases by suite and case: the hash of the case as it stands now, and its parts by name.
Inputs = Mapping[tuple[str, str], tuple[str, Mapping[str, str]]]


class JudgedResponse(Value):
    """One response with the verdict that is to be held against people's answers."""

    id: str
    trial: Trial
    verdict: Verdict

    @property
    def said(self) -> Answer:
        """The verdict as label files write it."""
        return "pass" if self.verdict.passed else "fail"

    @property
    def answer(self) -> str:
        """The text that was judged."""
        return _answer(self.trial)


class JudgedRun(Value):
    """What one judge said in a run: the responses that it could judge, and how many it could not, by model.

    What code alone found wrong is left out: no label is needed there.
    """

    judge: str
    judge_hash: str
    responses: tuple[JudgedResponse, ...]
    unread: Mapping[str, int] = field(default_factory=dict)

    @property
    def population(self) -> dict[str, Population]:
        """How many responses of each model pass, fail and could not be judged."""
        said: dict[str, list[Answer]] = defaultdict(list)
        for response in self.responses:
            said[response.trial.model].append(response.said)
        return {
            model: Population.model_validate(
                {
                    "pass": said[model].count("pass"),
                    "fail": said[model].count("fail"),
                    "unread": self.unread.get(model, 0),
                }
            )
            for model in sorted({*said, *self.unread})
        }


class Shown(Value):
    """One response as a person sees it: neither whose it is nor what the judge said."""

    id: str
    inputs: tuple[tuple[str, str], ...]
    reference: str | None
    answer: str


def judged_run(trials: Iterable[Trial], judge: str | None) -> JudgedRun:
    """Return the responses that a judge has judged; UsageError when it is unknown or nothing was judged.

    None means the only judge that there is.
    """
    found = [(trial, verdict) for trial in trials for verdict in trial.verdicts]
    name = _judge(judge, dict.fromkeys(verdict.judge for _trial, verdict in found))
    own = [(t, v) for t, v in found if v.judge == name and v.status != "skipped" and _counts(t)]
    scored = [(t, v) for t, v in own if v.passed is not None]
    hashes = sorted({verdict.definition_hash for _trial, verdict in scored})
    if not scored:
        raise UsageError(f"the judge {name!r} has given no verdict in this run: nothing can be labelled")
    if len(hashes) > 1:
        shown = ", ".join(one[:8] for one in hashes)
        raise UsageError(f"the verdicts of {name!r} in this run are of several definitions ({shown})")
    unread: dict[str, int] = defaultdict(int)
    for trial, verdict in own:
        unread[trial.model] += verdict.passed is None
    responses = [JudgedResponse(id=response_id(t), trial=t, verdict=v) for t, v in scored]
    return JudgedRun(judge=name, judge_hash=hashes[0], responses=tuple(responses), unread=unread)


def response_id(trial: Trial) -> str:
    """Return what tells a response from every other one, also from that of another run."""
    named: list[Json] = [trial.suite, trial.case, trial.model, trial.repeat, _answer(trial)]
    return content_hash(named)[:ID_CHARS]


def shown(response: JudgedResponse, inputs: Inputs, *, name: str | None = None) -> Shown:
    """Return what a person sees: the case's input where it still is what it was, else the user's turns.

    A prompt may be written for one model, so that the whole of it would not be blind. `name` takes the
    place of the response's id.
    """
    trial = response.trial
    found = inputs.get((trial.suite, trial.case))
    if found is not None and found[0] == trial.case_hash:
        parts = dict(found[1])
    else:
        turns = [m.content for m in trial.messages if m.role == "user"]
        parts = {"prompt": "\n\n".join(turns)} if turns else {}
    return Shown(
        id=name or response.id,
        inputs=tuple(parts.items()),
        reference=None if trial.expected is None else as_text(trial.expected),
        answer=response.answer,
    )


def _answer(trial: Trial) -> str:
    return "" if trial.answer is None else answer_text(trial.answer.response)


def _counts(trial: Trial) -> bool:
    """Whether a verdict on the trial decides anything: the answer is its own, and not wrong anyway."""
    facts = facts_of(trial)
    return facts.is_own and not facts.is_code_wrong


def _judge(name: str | None, known: Mapping[str, object] | Sequence[str]) -> str:
    names = list(known)
    if not names:
        raise UsageError("no judge has judged anything in this run: give a suite `judges: [NAME]` first")
    if name is None and len(names) > 1:
        raise UsageError(f"the run has the judges {', '.join(names)}: name one with --judge")
    if name is not None and name not in names:
        raise UsageError(f"the run has no judge {name!r}.{nearest(name, names)} It has: {', '.join(names)}")
    return name or names[0]
