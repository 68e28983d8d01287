"""A judge ready to be asked, and how judges are found by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from swapgate.errors import ProviderError, SpecError, UsageError, nearest
from swapgate.judging.definition import call_hash, call_params, definition_hash, min_valid_samples
from swapgate.judging.parse import ReplyReader
from swapgate.judging.prompt import TemplateError, call_messages, retry_messages
from swapgate.judging.scoring import Asked, add_up
from swapgate.judging.shape import shapes
from swapgate.judging.subject import Judged, answer_text
from swapgate.judging.suspicion import suspicions
from swapgate.records import Answer, Json, Message, Request, Response, SampleStatus, Verdict, VerdictStatus
from swapgate.spec.calibration import is_calibration
from swapgate.spec.judges import JudgeSpec, read_judge

# After these the judge is shown what was wrong. A refusal stands, and an empty reply cannot be shown.
ASKED_AGAIN: frozenset[SampleStatus] = frozenset(
    {"unparseable", "off_scale", "truncated", "unsupported_evidence"}
)


class Ask(Protocol):
    """Answers a judge's request by the model's name in the catalogue, never by another model in its place.

    `request.model` is that name too: its id and the catalogue's parameters for it are the asker's to set.
    """

    async def __call__(self, model: str, request: Request) -> Answer:
        """Return the answer; raise ProviderError or NotAsked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of one sample, and who reads its reply."""

    reader: ReplyReader
    request: Request
    output: str
    ask: Ask


class Judge:
    """One judge. `definition_hash` covers everything that its verdicts depend on."""

    def __init__(self, spec: JudgeSpec) -> None:
        self.spec = spec
        self.rule = spec.pass_rule()
        self.definition_hash = definition_hash(spec)
        self._call_hash = call_hash(spec)
        self._readers = tuple(ReplyReader(shape) for shape in shapes(spec))

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
    ) -> Verdict:
        """Return the verdict on one answer; `messages` is the conversation that the case itself brings.

        What goes wrong with the judge ends as a verdict with status error; only NotAsked is raised.
        `repeat`, the trial's, is no part of the calls: two trials with the same answer share them by design,
        and a call's own repeat is the number of its sample.
        """
        raw = answer_text(response)
        judged = Judged(output=raw, variables=variables, messages=tuple(messages), expected=expected)
        verdict = await self._judged(judged, ask=ask, suite=suite, case=case)
        given = f"{judged.input_text}\n{judged.reference}"
        return replace(verdict, suspicions=suspicions(raw, given=given, criteria=self.spec.criteria))

    async def _judged(self, judged: Judged, *, ask: Ask, suite: str, case: str) -> Verdict:
        if judged.is_trivial:
            return self._verdict("scored", _trivial(judged.output), passed=False)
        try:
            calls = self._calls(judged, ask=ask, suite=suite, case=case)
        except TemplateError as exc:
            return self._verdict("error", str(exc))
        return self._scored(await _all(calls))

    def skipped(self, reason: str) -> Verdict:
        """Return the verdict of a judge that was not asked."""
        return self._verdict("skipped", reason)

    def requests(self, judged: Judged, *, suite: str, case: str) -> list[Request]:
        """Return the requests about one answer, without sending them."""
        return [
            Request(
                model=self.spec.model,
                messages=call_messages(self.spec, r.shape, judged, call_hash=self._call_hash, sample=sample),
                params=call_params(self.spec),
                output_schema=r.shape.schema,
                repeat=sample,
                suite=suite,
                case=case,
            )
            for sample in range(1, self.spec.samples + 1)
            for r in self._readers
        ]

    def _calls(self, judged: Judged, *, ask: Ask, suite: str, case: str) -> list[_Call]:
        requests = self.requests(judged, suite=suite, case=case)
        readers = self._readers * self.spec.samples
        pairs = zip(readers, requests, strict=True)
        return [
            _Call(reader=reader, request=request, output=judged.output, ask=ask) for reader, request in pairs
        ]

    def _scored(self, asked: Sequence[Asked]) -> Verdict:
        score = add_up(asked, spec=self.spec, rule=self.rule, needed=min_valid_samples(self.spec))
        verdict = self._verdict(score.status, score.reason, passed=score.passed)
        return replace(verdict, scores=score.scores, samples=tuple(s for a in asked for s in a.replies))

    def _verdict(self, status: VerdictStatus, reason: str, *, passed: bool | None = None) -> Verdict:
        return Verdict(
            judge=self.spec.judge,
            model=self.spec.model,
            definition_hash=self.definition_hash,
            status=status,
            passed=passed,
            reason=reason,
        )


async def _all(calls: Iterable[_Call]) -> list[Asked]:
    """Send all calls at once and wait for every one: a missing recording must not waste the others."""
    results = await asyncio.gather(*(_asked(call) for call in calls), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Asked)]


async def _asked(call: _Call) -> Asked:
    """Ask, and once more with the problem shown when the reply cannot be used; both replies are kept."""
    asked = Asked(criteria=tuple(call.reader.shape.criteria))
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
    return f"empty answer: {output.strip()!r}" if output.strip() else "empty answer"


def load_judges(names: Iterable[str], *, judges_dir: Path) -> dict[str, Judge]:
    """Return the named judges, each from the file of its name in `judges_dir`.

    Raises UsageError for a name without a file, SpecError for a file that is wrong.
    """
    written = (path for path in sorted(judges_dir.glob("*.y*ml")) if path.suffix in {".yml", ".yaml"})
    files = {path.stem: path for path in written if not is_calibration(path)}
    return {name: _load(name, files, judges_dir) for name in dict.fromkeys(names)}


def _load(name: str, files: Mapping[str, Path], judges_dir: Path) -> Judge:
    if name not in files:
        known = f"there are {', '.join(files)}." if files else "the directory has no judges."
        raise UsageError(
            f"unknown judge {name!r}: no {name}.yml in {judges_dir.name}/; {known}{nearest(name, files)}"
        )
    spec = read_judge(files[name])
    if spec.judge != name:
        message = f"the file is called {name!r} but its judge {spec.judge!r}; give both the same name"
        raise SpecError(message, path=files[name])
    return Judge(spec)
