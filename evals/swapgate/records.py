"""What swapgate remembers: messages, requests, responses, findings, verdicts, trials and runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import JsonValue, TypeAdapter

from swapgate.errors import ErrorKind

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json: TypeAlias = JsonValue
Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "other"]
CheckKind = Literal["structural", "semantic"]
SampleStatus = Literal[
    "valid", "unparseable", "off_scale", "refused", "empty", "truncated", "unsupported_evidence"
]
VerdictStatus = Literal["scored", "skipped", "inapplicable", "error", "unscored"]
Outcome = Literal["passed", "missed", "errored", "unscored"]
TrialRole = Literal["candidate", "baseline"]
CanaryOutcome = Literal["passed", "failed", "error"]
LabelDesign = Literal["random", "by_verdict", "by_label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One function call that a model asks for; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say.

    `tokens_in` includes `tokens_cached_in`, read from the provider's cache of prompts, and
    `tokens_cache_write`, written to it; `tokens_out` includes `tokens_reasoning`.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached_in: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that determines an answer, but for the provider's own identity.

    `output_schema` asks for constrained decoding, `json_mode` for any JSON. `variables` are the case's
    inputs (the `python` and `http` providers read them). `repeat` counts from 1. `suite` and `case` name
    the request for people and for the `recorded` provider; they are no part of its content. `top_logprobs`
    asks for the log-probabilities of so many alternatives to each token; 0 asks for none.
    """

    model: str
    messages: tuple[Message, ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    output_schema: Mapping[str, Json] | None = None
    json_mode: bool = False
    tools: tuple[Json, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    repeat: int = 1
    suite: str = ""
    case: str = ""
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of an answer: its natural log-probability, and those of the likeliest in its place."""

    text: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a provider answered; `latency_s` is the time of the successful attempt alone.

    `batch_id` names the service's batch that it came in, at the price of batches; None for a live call.
    `ttft_s` are the seconds from sending to the first token of the answer, None where it was not streamed.
    `tokens` is empty unless log-probabilities were asked for and came back.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    model_served: str | None = None
    fingerprint: str | None = None
    request_id: str | None = None
    latency_s: float | None = None
    dropped_params: tuple[str, ...] = ()
    batch_id: str | None = None
    ttft_s: float | None = None
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response and how it was had: by which model of the catalogue, from the cache or not, at what cost.

    `cost_usd` is what this response costs at list price, None when the price is unknown; `from_cache` says
    that nothing was paid for it this time: it was stored, or another trial's call brought it too.
    `fallback_reason` is the error that made another model answer than the one asked.
    """

    response: Response
    model: str
    from_cache: bool = False
    attempts: int = 1
    cost_usd: float | None = None
    is_fallback: bool = False
    fallback_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found: where (JSON pointer, "" for the whole answer), what it wanted and got."""

    message: str
    pointer: str = ""
    wanted: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check says of one answer. `facts` are for machines, for example `{"json_kind": "fenced"}`."""

    check: str
    kind: CheckKind
    passed: bool
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A quote that a judge gave, and whether it occurs in the answer."""

    quote: str
    is_verbatim: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSample:
    """One answer of a judge, raw text kept, whatever became of it.

    `weights` are the probabilities of each point of a criterion's scale, where a score is their mean.
    `is_weighted` says whether every score is; None where nobody asked for it.
    """

    status: SampleStatus
    raw: str
    scores: Mapping[str, float] = field(default_factory=dict)
    reasoning: str = ""
    evidence: tuple[Evidence, ...] = ()
    criterion: str | None = None
    problem: str = ""
    answer: Answer | None = None
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    is_weighted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far apart the scores of one criterion are: the lowest, the highest, and their standard deviation.

    `sd` is that of a sample (over n - 1).
    """

    n: int
    low: float
    high: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one of several models says of an answer by itself: a member of a panel, or a stage.

    `stage` is 2 for the model that a verdict was escalated to. `calls` of the verdict's samples are its own:
    they stand one opinion after the other.
    """

    model: str
    status: VerdictStatus
    stage: int = 1
    passed: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, Spread] = field(default_factory=dict)
    agreement: float | None = None
    reason: str = ""
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """That a judge may ask a second model, and `why` it did: empty where the first was sure enough."""

    to: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The other answer that a pairwise judge compared with: of a model, or the case's reference.

    `answer` is how it was had, None for a reference. `is_shared` says that a trial of its own has it too, to
    which its price belongs.
    """

    name: str
    text: str
    answer: Answer | None = None
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one judge says of one answer: each score's mean over valid samples, and whether it passes.

    `inapplicable` is the status of a judge that has nothing to say of this answer, such as the baseline's own
    where answers are compared with it; it counts neither as passed nor as missed. `model` is what gave the
    scores: the model that decided, of a panel all of them, or what stands in its place where a judge is code.
    `unscored` says that the panel agreed too little: neither a pass nor a fail. `agreement` is the share of
    the samples, or of a panel's members, whose own verdict is this one; None where there is one alone.
    `spread` is that of the same scores. `suspicions` are what in the answer speaks to the judge instead of
    the user; they change nothing.
    """

    judge: str
    model: str
    definition_hash: str
    status: VerdictStatus
    passed: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    samples: tuple[JudgeSample, ...] = ()
    rival: Rival | None = None
    spread: Mapping[str, Spread] = field(default_factory=dict)
    agreement: float | None = None
    opinions: tuple[Opinion, ...] = ()
    escalation: Escalation | None = None
    suspicions: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer that was had for this verdict alone: the samples', and a rival's of no other use."""
        samples = [s.answer for s in self.samples if s.answer]
        rival = self.rival.answer if self.rival and not self.rival.is_shared else None
        return (*samples, rival) if rival else tuple(samples)

    @property
    def cost_usd(self) -> float | None:
        """List price of all its answers; None as soon as one of them has no known price."""
        return total([answer.cost_usd for answer in self.answers])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialError:
    """Why a trial has no result. `source` is `model`, `judge:NAME` or `check:NAME`."""

    kind: ErrorKind
    message: str
    source: str = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One response of one model to one case, with everything that was said of it.

    `case_hash` is that of the case's input, expectation and checks: trials of the same name with another
    hash are not of the same case. `covariates` are the case's numbers that failures are held against.
    """

    suite: str
    case: str
    model: str
    repeat: int = 1
    role: TrialRole = "candidate"
    path: str = ""
    line: int | None = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    prompt: str | None = None
    prompt_hash: str | None = None
    messages: tuple[Message, ...] = ()
    expected: Json = None
    case_hash: str | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    answer: Answer | None = None
    checks: tuple[CheckResult, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    error: TrialError | None = None

    @property
    def structural_passed(self) -> bool | None:
        """Whether every structural check passed (True when there is none); None without an answer."""
        if self.answer is None:
            return None
        return all(c.passed for c in self.checks if c.kind == "structural")

    @property
    def semantic_passed(self) -> bool | None:
        """Whether every semantic check and every judge passed; None when nothing scored the meaning.

        A judge that was skipped because the structure failed leaves the trial not passed: an answer that
        nothing can read is not a right answer. One that left the answer unscored leaves it unknown, unless
        something else found it wrong.
        """
        if self.answer is None or self.error is not None:
            return None
        said = [c.passed for c in self.checks if c.kind == "semantic"]
        said += [v.passed is True for v in self.verdicts if v.status not in {"inapplicable", "unscored"}]
        if not all(said) or not self.has_unscored:
            return all(said) if said else None
        return None

    @property
    def has_unscored(self) -> bool:
        """Whether a judge's panel agreed too little."""
        return any(v.status == "unscored" for v in self.verdicts)

    @property
    def outcome(self) -> Outcome:
        """passed, missed, errored, or unscored: right as far as is known, and a judge could not say."""
        if self.error is not None or self.answer is None:
            return "errored"
        if not self.structural_passed or self.semantic_passed is False:
            return "missed"
        return "unscored" if self.has_unscored else "passed"

    @property
    def is_blind_pass(self) -> bool:
        """Structurally right and semantically wrong: what a check of the structure alone lets through."""
        return self.structural_passed is True and self.semantic_passed is False

    @property
    def judge_cost_usd(self) -> float | None:
        """List price of this trial's judge calls; None when any price is unknown, 0.0 without calls."""
        return total([answer.cost_usd for v in self.verdicts for answer in v.answers])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """A model as declared: the name in models.yml and what stands behind it. Never a key."""

    name: str
    provider: str
    model: str
    base_url: str | None = None
    api_version: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    file_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLabel:
    """What people say of a response that a judge has judged; `model` gave it, None where nobody noted."""

    model: str | None
    verdict: bool
    truth: bool
    cluster: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCalibration:
    """A judge's labelled verdicts as a run found them. `design` says how they were chosen.

    `warning` says why they do not hold for the judge as it was in the run, empty when they do.
    """

    judge: str
    design: LabelDesign
    labels: tuple[JudgeLabel, ...]
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """What a judge said of one answer that must fail, shown to it as the answer to a real case.

    `outcome` is passed where the judge let it through, failed where not, error where it gave no verdict.
    """

    canary: str
    kind: str
    suite: str
    case: str
    output: str
    outcome: CanaryOutcome
    reason: str = ""
    cost_usd: float | None = None
    paid_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCanaries:
    """A judge's canaries. `blocks` says that one which passes keeps the gate from deciding."""

    judge: str
    definition_hash: str
    blocks: bool
    results: tuple[CanaryResult, ...]

    @property
    def passed(self) -> tuple[CanaryResult, ...]:
        """The canaries that the judge let through."""
        return tuple(one for one in self.results if one.outcome == "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorCheck:
    """One time that a judge was asked about its anchors; `agreed` of `n` verdicts are as they were frozen.

    `anchors_hash` tells one set of anchors from another, `errors` counts those without a verdict.
    """

    judge: str
    definition_hash: str
    anchors_hash: str
    checked_at: str
    n: int
    agreed: int
    errors: int
    pass_rate: float | None
    answer: str
    served: tuple[str, ...] = ()
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedRule:
    """What the looks of a run that may stop early say about one rule of the gate, for one candidate.

    `suite`, `prompt` and `tag` name its scope. `low` and `high` hold the truth at all looks together, with
    `confidence`; None where no look could say. `look` counts the looks, `trials` what it saw.
    """

    rule: str
    measure: str
    model: str
    answer: str
    look: int
    trials: int
    confidence: float
    suite: str | None = None
    prompt: str | None = None
    tag: str | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How a run that may stop early went: `looks` is their planned number, None for one after every case.

    `stopped` names the candidates that were decided before the end, each with the reason. `saved_trials` were
    not run for that; `saved_usd` is what they would have cost at the run's own mean, None when unknown.
    """

    looks: int | None
    seed: int
    planned_cases: int
    cases: int
    stopped: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[StoppedRule, ...] = ()
    saved_trials: int = 0
    saved_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Which share of one selection a run has: `number` of `count`, counted from 1.

    `plan` is the hash of the whole selection and `sizes` are the trials of each shard; both are empty until
    the cases were collected. `problem` says why the shard did not run to its end, empty when it did.
    """

    number: int
    count: int
    plan: str = ""
    sizes: tuple[int, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it: `3/10`."""
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One invocation: what was run, with what, when. Times are ISO 8601 in UTC.

    `planned` of the `wanted` trials that the suites hold were selected; `wanted` is 0 where nobody counted.
    `is_complete` turns true once every planned trial has been stored; `is_partial` says that only a
    selection of the workspace's cases was planned (such a run never becomes a baseline). `seed` is that of
    the order of cases and of permutation tests. `merged` names the shards that it was made of, `completes`
    the run whose trials without a result were run again, `rejudges` the one whose stored answers were judged
    again. `canaries` are the answers that must fail, as the run's judges judged them before its first trial.
    """

    id: str
    started_at: str
    models: tuple[ModelIdentity, ...]
    judges: tuple[ModelIdentity, ...] = ()
    judge_hashes: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None
    repeats: int = 1
    suites: tuple[str, ...] = ()
    suite_hashes: Mapping[str, str] = field(default_factory=dict)
    planned: int = 0
    wanted: int = 0
    is_partial: bool = False
    is_complete: bool = False
    finished_at: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    seed: int = 0
    calibrations: tuple[JudgeCalibration, ...] = ()
    stopping: Stopping | None = None
    shard: Shard | None = None
    merged: tuple[str, ...] = ()
    completes: str | None = None
    rejudges: str | None = None
    canaries: tuple[JudgeCanaries, ...] = ()


# For more than this hashlib lets other threads in, each time, which takes longer than to hash it.
_HASHED_AT_ONCE = 2047


def total(parts: list[float | None]) -> float | None:
    """Sum the parts; None when one of them is unknown."""
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None


def content_hash(content: Json | Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a JSON value written canonically: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)
    encoded = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256()
    for start in range(0, len(encoded), _HASHED_AT_ONCE):
        digest.update(encoded[start : start + _HASHED_AT_ONCE])
    return digest.hexdigest()


@cache
def adapter(record_type: type[DataclassInstance]) -> TypeAdapter[Any]:
    """Return the (cached) pydantic adapter that reads and writes one kind of record as JSON."""
    return TypeAdapter(record_type)


def to_text(record: DataclassInstance) -> str:
    """Return the record as one line of JSON, which the kind's adapter reads back."""
    return adapter(type(record)).dump_json(record).decode()


def to_json(record: DataclassInstance) -> Any:
    """Return the record as plain JSON values (dicts, lists, strings, numbers)."""
    return adapter(type(record)).dump_python(record, mode="json")
