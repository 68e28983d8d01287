"""A judge that asks a model, ready to be asked itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from swapgate.errors import ProviderError
from swapgate.judging.abstaining import Abstaining
from swapgate.judging.definition import call_hash, call_params, definition_hash, min_valid_samples
from swapgate.judging.kinds import kind_of
from swapgate.judging.logprobs import TOP_LOGPROBS
from swapgate.judging.parse import ReplyReader
from swapgate.judging.prompt import TemplateError, call_messages, retry_messages
from swapgate.judging.questions import Question
from swapgate.judging.scoring import Asked, add_up, explained, of_samples
from swapgate.judging.shape import Shape
from swapgate.judging.spread import agreement, spreads
from swapgate.judging.subject import Judged, answer_text
from swapgate.judging.suspicion import suspicions
from swapgate.records import (
    Answer,
    Json,
    Message,
    Request,
    Response,
    Rival,
    SampleStatus,
    Verdict,
)
from swapgate.spec.judge_kinds import PairwiseSpec
from swapgate.spec.judges import JudgeSpec
from swapgate.values import Value, replace

# After these the judge is shown what was wrong. A refusal stands, and an empty reply cannot be shown.
ASKED_AGAIN: frozenset[SampleStatus] = frozenset(
    {"unparseable", "off_scale", "truncated", "unsupported_evidence"}
)
# Of an answer without a word, which may be megabytes of brackets, so much is in the verdict's reason.
_SHOWN_CHARS = 80


class Ask(Protocol):
    """Answers a judge's request by the model's name in the catalogue, never by another model in its place.

    `request.model` is that name too: its id and the catalogue's parameters for it are the asker's to set.
    """

    async def __call__(self, model: str, request: Request) -> Answer:
        """Return the answer; raise ProviderError or NotAsked."""
        ...


class _Call(Value):
    """One call of one sample, and who reads its reply."""

    reader: ReplyReader
    request: Request
    output: str
    ask: Ask


class Judge(Abstaining):
    """One judge that asks a model. `definition_hash` covers everything that its verdicts depend on."""

    def __init__(self, spec: JudgeSpec) -> None:
        self.spec: JudgeSpec = spec
        self.rule = spec.pass_rule()
        self.kind = kind_of(spec)
        self.definition_hash = definition_hash(spec, self.kind)
        self.models = spec.models
        self._call_hash = call_hash(spec, self.kind)
        self._params = call_params(spec)
        self._shapes = tuple(self.kind.shapes(self.kind.seen(self.kind.probe())))
        self._questions = {name: q for shape in self._shapes for name, q in shape.criteria.items()}
        self._readers = tuple(ReplyReader(shape, weighs=spec.logprobs) for shape in self._shapes)

    @property
    def shown(self) -> str:
        """What gives the verdicts, for people."""
        return self.spec.shown_models

    @property
    def model_names(self) -> str:
        """The model that gives verdicts; of a panel all of them."""
        return ", ".join(self.spec.members)

    @property
    def shapes(self) -> Sequence[Shape]:
        """The calls of one sample about every answer, what a case adds of its own left out."""
        return self._shapes

    @property
    def questions(self) -> Mapping[str, Question]:
        """What is asked of every answer, by name."""
        return self._questions

    @property
    def wants_canaries(self) -> bool:
        """Whether its file says so."""
        return self.spec.canaries is not False

    @property
    def against(self) -> str | None:
        """What a pairwise judge compares with, None for any other."""
        return self.spec.against if isinstance(self.spec, PairwiseSpec) else None

    def why_not(self, expected: Json) -> str:
        """Return why a case with this expectation cannot be judged, an empty string when it can."""
        return self.kind.why_not(expected)

    async def judge(
        self,
        *,
        variables: Mapping[str, Json],
        messages: Sequence[Message],
        expected: Json,
        response: Response,
        ask: Ask,
        suite: str,
        case: str,
        repeat: int,
        rival: Rival | None = None,
    ) -> Verdict:
        """Return the verdict on one answer; `messages` is the conversation that the case itself brings.

        What goes wrong with the judge ends as a verdict with status error; only NotAsked is raised.
        `repeat`, the trial's, is no part of the calls: two trials with the same answer share them by design,
        and a call's own repeat is the number of its sample. `rival` is what a pairwise judge compares with.
        """
        raw = answer_text(response)
        judged = Judged(
            output=raw,
            variables=variables,
            messages=tuple(messages),
            expected=expected,
            rival=rival.text if rival else None,
        )
        verdict = await self._judged(judged, ask=ask, suite=suite, case=case, rival=rival)
        given = f"{judged.input_text}\n{judged.reference}"
        found = suspicions(raw, given=given, criteria=self.questions)
        return replace(verdict, suspicions=found) if found else verdict

    async def _judged(
        self, judged: Judged, *, ask: Ask, suite: str, case: str, rival: Rival | None
    ) -> Verdict:
        if judged.is_trivial:
            return self._verdict("scored", _trivial(judged.output), passed=False, rival=rival)
        if why_not := self.why_not(judged.expected):
            return self._verdict("error", why_not)
        seen = self.kind.seen(judged)
        if settled := self.kind.settled(seen):
            return self._settled(settled, rival)
        try:
            calls = self._calls(seen, suite=suite, case=case)
        except TemplateError as exc:
            return self._verdict("error", str(exc))
        asking = [_Call(reader=r, request=q, output=seen.texts, ask=ask) for r, q in calls]
        return self._scored(await _all(asking), rival)

    def requests(self, judged: Judged, *, suite: str, case: str) -> list[Request]:
        """Return the requests about one answer, without sending them."""
        return [request for _reader, request in self._calls(self.kind.seen(judged), suite=suite, case=case)]

    def _calls(self, seen: Judged, *, suite: str, case: str) -> list[tuple[ReplyReader, Request]]:
        """Return every request about an answer with who reads its reply, sample by sample."""
        readers = self._readers_for(seen)
        return [
            (reader, self._request(reader.shape, seen, sample=sample, suite=suite, case=case))
            for sample in range(1, self.spec.samples + 1)
            for reader in readers
        ]

    def _request(self, shape: Shape, seen: Judged, *, sample: int, suite: str, case: str) -> Request:
        return Request(
            model=self.model_names,
            messages=call_messages(self.spec, shape, seen, call_hash=self._call_hash, sample=sample),
            params=self._params,
            output_schema=shape.schema,
            repeat=sample,
            suite=suite,
            case=case,
            top_logprobs=TOP_LOGPROBS if self.spec.logprobs else 0,
        )

    def _readers_for(self, seen: Judged) -> Sequence[ReplyReader]:
        """Return who reads the calls of one sample: the same for every case, unless cases bring questions."""
        shapes = self.kind.shapes(seen)
        return (
            self._readers
            if shapes is self._shapes
            else [ReplyReader(shape, weighs=self.spec.logprobs) for shape in shapes]
        )

    def _scored(self, asked: Sequence[Asked], rival: Rival | None = None) -> Verdict:
        needed = min_valid_samples(self.spec)
        score = add_up(asked, spec=self.spec, rule=self.rule, needed=needed, kind=self.kind)
        scored = of_samples(asked, self.kind) if self.spec.samples > 1 else ()
        return Verdict(
            judge=self.spec.judge,
            model=self.model_names,
            definition_hash=self.definition_hash,
            status=score.status,
            passed=score.passed,
            scores=score.scores,
            reason=score.reason,
            samples=tuple([s for a in asked for s in a.replies]),
            rival=rival,
            spread=spreads(one.scores for one in scored),
            agreement=agreement(scored, self.rule, passed=score.passed),
        )

    def _settled(self, scores: Mapping[str, float], rival: Rival | None) -> Verdict:
        """Return the verdict on an answer of which the scores are known without a call."""
        reason = explained(f"{self.kind.told(scores)} without a call", "", spec=self.spec)
        verdict = self._verdict("scored", reason, passed=self.rule.evaluate(scores), rival=rival)
        return replace(verdict, scores=dict(scores))


async def _all(calls: Iterable[_Call]) -> list[Asked]:
    """Send all calls at once and wait for every one: a missing recording must not waste the others."""
    asking = [_asked(call) for call in calls]
    if len(asking) == 1:
        return [await asking[0]]
    results = await asyncio.gather(*asking, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Asked)]


async def _asked(call: _Call) -> Asked:
    """Ask, and once more with the problem shown when the reply cannot be used; both replies are kept."""
    asked = Asked(criteria=call.reader.shape.gives, sample=call.request.repeat)
    try:
        first = call.reader.read(await call.ask(call.request.model, call.request), output=call.output)
        asked = replace(asked, replies=(first,))
        if first.status not in ASKED_AGAIN or not first.raw.strip():
            return asked
        turns = retry_messages(
            call.request.messages, call.reader.shape, reply=first.raw, problem=first.problem
        )
        second = await call.ask(call.request.model, replace(call.request, messages=turns))
    except ProviderError as exc:
        return replace(asked, failure=exc)
    return replace(asked, replies=(first, call.reader.read(second, output=call.output)))


def _trivial(output: str) -> str:
    marks = output.strip()
    if not marks:
        return "empty answer"
    return f"empty answer: {marks[:_SHOWN_CHARS]!r}{'...' if len(marks) > _SHOWN_CHARS else ''}"
