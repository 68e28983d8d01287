"""What the statistics need of one trial: its results, scores and amounts, without any of its texts.

A run's facts are stored beside its trials, so that runs of any size are compared without reading a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from pydantic_core import from_json

from swapgate.errors import ErrorKind
from swapgate.facts.amounts import (
    JudgeCalls,
    calls_of,
    is_counted,
    list_price,
    price_paid,
    read_calls,
    same,
    sum_of,
)
from swapgate.facts.reasons import first_reason, shortened
from swapgate.records import (
    Answer,
    CheckResult,
    Json,
    Trial,
    canonical,
    canonical_text,
    content_hash,
    hash_of,
)

_HASH_CHARS = 16
MISSING = "missing"


class Facts(NamedTuple):
    """One trial in numbers and names. What is unknown is None; amounts are US dollars at list price.

    `cluster` is the outermost group of trials that count as one: the case's cluster, or the case, within its
    suite. `is_code_wrong` says that code alone, without a judge, found the meaning wrong. `checks` are
    (name, kind, passed), `verdicts` (judge, definition hash, status, passed), `scores` are by
    `JUDGE.CRITERION`. A fallback's answer leaves only `paid_usd`: it is another model's. Tokens are those
    of answers whose provider counted them. The paid amounts leave out what came from the cache.
    `covariates` are the case's numbers that failures are held against. `judging` is what each verdict took
    for which a model was asked. `suspicions` is what in a judged answer speaks to the judge. The hashes tell
    equal answers and equal references. `quotes` are those that judges gave for verdicts that count,
    `quotes_invented` those among them that the answer does not hold. `is_refused` says that the service
    itself called the answer a refusal, or filtered it. A trial `is_quarantined` where its case was, on the
    day of the run.
    """

    suite: str
    case: str
    model: str
    repeat: int
    role: str
    cluster: str
    prompt: str | None
    tags: tuple[str, ...]
    case_hash: str | None
    outcome: str
    error_kind: str | None
    structural: bool | None
    semantic: bool | None
    is_code_wrong: bool
    checks: tuple[tuple[str, str, bool], ...]
    verdicts: tuple[tuple[str, str, str, bool | None], ...]
    scores: Mapping[str, float]
    json_kind: str | None
    is_recoverable: bool | None
    is_answered: bool
    is_fallback: bool
    from_cache: bool
    latency_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    paid_usd: float | None
    judge_tokens_in: int
    judge_tokens_out: int
    judge_counted: int
    judge_cost_usd: float | None
    judge_paid_usd: float | None
    covariates: Mapping[str, float]
    reason: str
    # Facts stored before they were known end at `reason`, or at the first of these.
    ttft_s: float | None = None
    judging: tuple[JudgeCalls, ...] = ()
    suspicions: str = ""
    answer_hash: str | None = None
    reference_hash: str | None = None
    quotes: int = 0
    quotes_invented: int = 0
    is_refused: bool = False
    is_quarantined: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the model under test answered itself."""
        return self.is_answered and not self.is_fallback

    @property
    def judge_latency_s(self) -> float | None:
        """The seconds of the slowest call of a judge, None without any that were timed."""
        return max((latency for one in self.judging for latency in one.latencies_s), default=None)

    @property
    def is_blind_pass(self) -> bool | None:
        """Whether the meaning is wrong, of an answer whose structure is right; None for any other."""
        return not self.semantic if self.structural and self.semantic is not None else None


_MODEL, _ROLE, _TAGS, _CHECKS, _VERDICTS, _JUDGING = map(
    Facts._fields.index, ("model", "role", "tags", "checks", "verdicts", "judging")
)
_KNOWN = len(Facts._fields)
_AT_ONCE = 2000


@lru_cache(maxsize=4096, typed=True)
def _scores(judges: tuple[tuple[str, ...], ...], *scores: float) -> Mapping[str, float]:
    """Return scores by name, the same ones as one mapping; each judge is followed by what it scores."""
    names = (intern(f"{judge}.{name}") for judge, *names in judges for name in names)
    return dict(zip(names, scores, strict=True))


def facts_of(trial: Trial) -> Facts:
    """Return the facts of one trial."""
    answer, is_own, outcome = trial.answer, own_answer(trial), trial.outcome
    own = answer if is_own else None
    judge_answers = [answer for v in trial.verdicts for answer in v.answers]
    # Whoever asks first pays: a baseline's answer may have been paid for by the judge that compares with it.
    shared = [v.rival.answer for v in trial.verdicts if v.rival and v.rival.is_shared and v.rival.answer]
    verdicts = [v for v in trial.verdicts if v.status != "inapplicable"]
    quotes = [q for v in trial.verdicts for s in v.samples if s.status == "valid" for q in s.evidence]
    usage = own.response.usage if own is not None else None
    json_check = next((c for c in trial.checks if c.check == "json"), None)
    return Facts(
        suite=trial.suite,
        case=trial.case,
        model=trial.model,
        repeat=trial.repeat,
        role=trial.role,
        cluster=cluster_of(trial),
        prompt=trial.prompt,
        tags=trial.tags,
        case_hash=trial.case_hash,
        outcome=outcome,
        error_kind=_error_kind(trial) if outcome == "errored" else None,
        structural=structural_result(trial),
        semantic=semantic_result(trial),
        is_code_wrong=is_own and _is_code_wrong(trial),
        checks=same(tuple((c.check, c.kind, c.passed) for c in trial.checks) if is_own else ()),
        verdicts=same(tuple((v.judge, v.definition_hash, v.status, v.passed) for v in verdicts)),
        scores=_scores(
            tuple((v.judge, *v.scores) for v in trial.verdicts),
            *(score for v in trial.verdicts for score in v.scores.values()),
        ),
        json_kind=_json_kind(json_check),
        is_recoverable=_is_recoverable(json_check),
        is_answered=answer is not None,
        is_fallback=answer is not None and answer.is_fallback,
        from_cache=answer is not None and answer.from_cache,
        latency_s=own.response.latency_s if own is not None else None,
        tokens_in=usage.tokens_in if usage else None,
        tokens_out=usage.tokens_out if usage else None,
        cost_usd=list_price([own]) if own is not None else None,
        paid_usd=price_paid([answer] if answer is not None else []),
        judge_tokens_in=sum_of([a.response.usage.tokens_in or 0 for a in judge_answers]),
        judge_tokens_out=sum_of([a.response.usage.tokens_out or 0 for a in judge_answers]),
        judge_counted=sum(is_counted(a) for a in judge_answers),
        judge_cost_usd=list_price(judge_answers),
        judge_paid_usd=price_paid([*judge_answers, *shared]),
        covariates=dict(trial.covariates),
        reason="" if outcome == "passed" else shortened(first_reason(trial)),
        ttft_s=own.response.ttft_s if own is not None else None,
        judging=tuple(calls_of(v) for v in trial.verdicts if v.samples or v.status == "error"),
        suspicions="; ".join(dict.fromkeys(text for v in trial.verdicts for text in v.suspicions)),
        answer_hash=_answer_hash(own) if own is not None else None,
        reference_hash=None if trial.expected is None else content_hash(trial.expected)[:_HASH_CHARS],
        quotes=len(quotes),
        quotes_invented=sum(not quote.is_verbatim for quote in quotes),
        is_refused=_is_refused(trial),
        is_quarantined=trial.quarantine is not None,
    )


def _is_refused(trial: Trial) -> bool:
    """Whether the service calls the answer a refusal; one in plain words is an answer like any other."""
    if trial.error is not None and trial.error.kind is ErrorKind.CONTENT_FILTER:
        return True
    answer = trial.answer if own_answer(trial) else None
    return answer is not None and answer.response.finish_reason in {"refusal", "content_filter"}


def _answer_hash(answer: Answer) -> str:
    response = answer.response
    calls: list[Json] = [[call.name, call.arguments] for call in response.tool_calls]
    text = canonical_text(" ".join(response.text.split()))
    return hash_of(f"[{text},{canonical(calls) if calls else '[]'}]")[:_HASH_CHARS]


_compact = json.JSONEncoder(separators=(",", ":")).encode


def pack(facts: Facts) -> str:
    """Return the facts as one line of JSON."""
    return _compact(facts)


def unpack(texts: Sequence[str]) -> list[Facts]:
    """Return the facts that `pack` wrote, one text a trial."""
    found = []
    for start in range(0, len(texts), _AT_ONCE):
        # One text of many is read in two thirds of the time that many texts take.
        for row in from_json(f"[{','.join(texts[start : start + _AT_ONCE])}]"):
            row[_TAGS] = tuple(row[_TAGS])
            row[_CHECKS], row[_VERDICTS] = tuple(map(tuple, row[_CHECKS])), tuple(map(tuple, row[_VERDICTS]))
            # Facts of an earlier version may end before it.
            for judging in row[_JUDGING : _JUDGING + 1]:
                row[_JUDGING] = tuple(map(read_calls, judging))
            # What a later version may know beside is left out, as it is of every other record.
            found.append(Facts(*row[:_KNOWN]))
    return found


def renamed(facts: Iterable[Facts], *, model: str, role: str) -> list[Facts]:
    """Return facts as those of a model of another name, in another role."""
    rows = [list(one) for one in facts]
    for row in rows:
        row[_MODEL], row[_ROLE] = model, role
    return [Facts._make(row) for row in rows]


def cluster_of(trial: Trial) -> str:
    """Return the group of trials that count as one: the case's cluster, or the case, within its suite."""
    return f"{trial.suite}/{trial.cluster or trial.case}"


def own_answer(trial: Trial) -> bool:
    """Return whether the model under test answered itself; a fallback's answer is another model's."""
    return trial.answer is not None and not trial.answer.is_fallback


def structural_result(trial: Trial) -> bool | None:
    """Return whether the structure is right, None where it is unknown.

    A judge's failure leaves the structure known; a check's own failure does not.
    """
    if not own_answer(trial):
        return None
    if trial.error is not None and not trial.error.source.startswith("judge:"):
        return None
    return trial.structural_passed


def semantic_result(trial: Trial) -> bool | None:
    """Return whether the meaning is right, None where nothing scored it."""
    return trial.semantic_passed if own_answer(trial) else None


def _is_code_wrong(trial: Trial) -> bool:
    """Whether a semantic check failed, or a judge was not asked: nothing to read, or nothing there."""
    if any(c.kind == "semantic" and not c.passed for c in trial.checks):
        return True
    unasked = {"error", "inapplicable", "unscored"}
    return any(v.passed is not True and not v.samples and v.status not in unasked for v in trial.verdicts)


def _error_kind(trial: Trial) -> str:
    return trial.error.kind.value if trial.error is not None else MISSING


def _json_kind(check: CheckResult | None) -> str | None:
    kind = check.facts.get("json_kind") if check else None
    return None if kind is None else str(kind)


def _is_recoverable(check: CheckResult | None) -> bool | None:
    """Return whether a permissive parser would have hidden a failure of strict JSON; None without one."""
    return None if check is None or check.passed else check.facts.get("recoverable") is True
