"""The checks of everything about a response but its text: `finish`, `finish_reason`, `latency`, `cost`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import Field

from swapgate.checks import Check, Subject
from swapgate.checks.findings import result
from swapgate.checks.options import CheckOptions, CheckType, Folders
from swapgate.records import CheckKind, CheckResult, Finding, FinishReason, Json
from swapgate.values import Value

_UNFINISHED: Final[dict[str, str]] = {
    "length": "The answer was cut off at the token limit; raise max_tokens for the model or the prompt.",
    "refusal": "The model refused to answer.",
    "content_filter": "The provider's content filter stopped the answer.",
}


class ResponseCheck(Value):
    """A check of the response as a whole: `find` returns what is wrong with it, or None."""

    name: str
    find: Callable[[Subject], Finding | None]
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return the one finding, if there is one."""
        finding = self.find(subject)
        return result(self.name, [finding] if finding else [])


def finish_check() -> Check:
    """Return the check `finish`, which every answer gets: cut off, refused and filtered answers fail."""

    def find(subject: Subject) -> Finding | None:
        reason = subject.response.finish_reason
        message = _UNFINISHED.get(reason)
        return Finding(message=message, wanted="a finished answer", got=reason) if message else None

    return ResponseCheck(name="finish", find=find)


class FinishReasonOptions(CheckOptions):
    """The reasons for the end of an answer that are allowed."""

    allowed: tuple[FinishReason, ...] = Field(min_length=1, description="the allowed reasons")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take one reason, or a list, for `{allowed: [...]}`."""
        if isinstance(written, str):
            return {"allowed": [written]}
        return {"allowed": written} if isinstance(written, list) else super().expand(written)


def _build_finish_reason(name: str, options: FinishReasonOptions, folders: Folders) -> ResponseCheck:
    def find(subject: Subject) -> Finding | None:
        reason = subject.response.finish_reason
        if reason in options.allowed:
            return None
        wanted = " or ".join(options.allowed)
        message = f"The answer ended for the reason {reason!r}, wanted {wanted}."
        return Finding(message=message, wanted=wanted, got=reason)

    return ResponseCheck(name=name, find=find)


class LatencyOptions(CheckOptions):
    """The longest time that one answer may take."""

    max_s: float = Field(gt=0, description="seconds that the successful attempt may take")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take a number for `{max_s: ...}`."""
        return {"max_s": written} if type(written) in (int, float) else super().expand(written)


def _build_latency(name: str, options: LatencyOptions, folders: Folders) -> ResponseCheck:
    wanted = f"at most {options.max_s:g} s"

    def find(subject: Subject) -> Finding | None:
        latency_s = subject.response.latency_s
        if latency_s is None:
            message = (
                "The latency is unknown: record `latency_s` with the output, or drop the check `latency`."
            )
            return Finding(message=message, wanted=wanted, got="unknown")
        if latency_s <= options.max_s:
            return None
        message = f"The answer took {latency_s:.3g} s, wanted {wanted}."
        return Finding(message=message, wanted=wanted, got=f"{latency_s:.3g} s")

    return ResponseCheck(name=name, find=find)


class CostOptions(CheckOptions):
    """The most that one answer may cost."""

    max_usd: float = Field(gt=0, description="US dollars at list price, the judges' calls not counted")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take a number for `{max_usd: ...}`."""
        return {"max_usd": written} if type(written) in (int, float) else super().expand(written)


def _build_cost(name: str, options: CostOptions, folders: Folders) -> ResponseCheck:
    wanted = f"at most ${options.max_usd:g}"

    def find(subject: Subject) -> Finding | None:
        if subject.cost_usd is None:
            message = "The cost is unknown: give the model a `price` in models.yml, or drop the check `cost`."
            return Finding(message=message, wanted=wanted, got="unknown")
        if subject.cost_usd <= options.max_usd:
            return None
        message = f"The answer cost ${subject.cost_usd:.4g}, wanted {wanted}."
        return Finding(message=message, wanted=wanted, got=f"${subject.cost_usd:.4g}")

    return ResponseCheck(name=name, find=find)


FINISH_REASON = CheckType(
    name="finish_reason",
    summary="The answer ended for one of the allowed reasons.",
    options=FinishReasonOptions,
    build=_build_finish_reason,
    short_forms=({"type": "string"}, {"type": "array", "items": {"type": "string"}}),
)
LATENCY = CheckType(
    name="latency",
    summary="The answer came in time.",
    options=LatencyOptions,
    build=_build_latency,
    short_forms=({"type": "number", "exclusiveMinimum": 0},),
)
COST = CheckType(
    name="cost",
    summary="The answer cost no more than wanted.",
    options=CostOptions,
    build=_build_cost,
    short_forms=({"type": "number", "exclusiveMinimum": 0},),
)
