"""One trial as report.html's script reads it: its texts as they are, cut to a length, its numbers in words.

Texts are data: the script shows what is invisible in them, and never reads them as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from pydantic_core import PydanticSerializationError, to_json

from swapgate.facts.amounts import list_price
from swapgate.records import Answer, CheckResult, Json, JudgeSample, Message, ToolCall, Trial, Verdict
from swapgate.reporting import format as show
from swapgate.reporting.words.judges import opinion_lines


class Texts:
    """Texts kept once each, none longer than `limit`: the prompt that all repeats of a case share is one."""

    def __init__(self, limit: int) -> None:
        self.kept: list[str] = []
        self._limit = limit
        self._numbers: dict[str, int] = {}

    def cut(self, text: str) -> str:
        """Return the text, or its beginning with a line that says how much is missing."""
        if len(text) <= self._limit:
            return text
        return f"{text[: self._limit]}\n… {len(text) - self._limit:,} more characters are in report.json"

    def number(self, text: str) -> int:
        """Return the number of a text among those that are kept."""
        number = self._numbers.setdefault(text, len(self.kept))
        if number == len(self.kept):
            self.kept.append(self.cut(text))
        return number


def case_body(trial: Trial, texts: Texts) -> dict[str, Json]:
    """Return what an opened case shows; messages and the reference refer to `texts` by number."""
    return {
        "where": f"{trial.path}:{trial.line}" if trial.line else trial.path,
        "messages": [_message(message, texts) for message in trial.messages],
        "response": _response(trial.answer, texts),
        "expected": _expected(trial.expected, texts),
        "checks": [_check(check, texts) for check in trial.checks],
        "verdicts": [_verdict(verdict, texts) for verdict in trial.verdicts],
        "error": _error(trial, texts),
        "numbers": [[name, texts.cut(value)] for name, value in _numbers(trial).items() if value],
    }


def _message(message: Message, texts: Texts) -> Json:
    return [message.role, texts.number(_with_calls(message.content, message.tool_calls))]


def _response(answer: Answer | None, texts: Texts) -> str | None:
    if answer is None:
        return None
    return texts.cut(_with_calls(answer.response.text, answer.response.tool_calls))


def _with_calls(text: str, calls: Iterable[ToolCall]) -> str:
    if not calls:
        return text
    return "\n".join([*([text] if text else []), *(f"[calls {c.name}] {c.arguments}" for c in calls)])


def _expected(expected: Json, texts: Texts) -> int | None:
    if expected is None:
        return None
    return texts.number(expected if isinstance(expected, str) else _indented(expected))


def _indented(value: Json) -> str:
    try:
        return to_json(value, indent=2).decode()  # what is indented, json writes in Python
    except PydanticSerializationError:  # a lone surrogate
        return json.dumps(value, ensure_ascii=False, indent=2)


def _check(check: CheckResult, texts: Texts) -> Json:
    found: list[Json] = [
        [texts.cut(text) for text in (finding.message, finding.pointer, finding.wanted, finding.got)]
        for finding in check.findings
    ]
    return [check.check, check.kind, check.passed, found]


def _verdict(verdict: Verdict, texts: Texts) -> Json:
    said: dict[str, Json] = {
        "judge": verdict.judge,
        "model": verdict.model,
        "status": verdict.status,
        "passed": verdict.passed,
        "scores": _scores(verdict.scores),
        "reason": texts.cut(verdict.reason),
        "samples": [_sample(sample, texts) for sample in verdict.samples],
    }
    if verdict.rival is not None:
        said["rival"] = [verdict.rival.name, texts.cut(verdict.rival.text)]
    if verdict.opinions or verdict.spread:
        said["opinions"] = [texts.cut(line) for line in opinion_lines(verdict)]
    if verdict.suspicions:
        said["suspicions"] = [texts.cut(suspicion) for suspicion in verdict.suspicions]
    return said


def _sample(sample: JudgeSample, texts: Texts) -> Json:
    return {
        "status": sample.status.replace("_", " "),
        "criterion": sample.criterion or "",
        "scores": _scores(sample.scores),
        "reasoning": texts.cut(sample.reasoning),
        "problem": texts.cut(sample.problem),
        "evidence": [[texts.cut(one.quote), one.is_verbatim] for one in sample.evidence],
        "raw": texts.cut(sample.raw),
    }


def _scores(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in sorted(scores.items()))


def _error(trial: Trial, texts: Texts) -> Json:
    error = trial.error
    return None if error is None else [error.kind.value, error.source, texts.cut(error.message)]


def _numbers(trial: Trial) -> dict[str, str]:
    """Return the facts of the answer that are known, in words; empty where they are not."""
    answer = trial.answer
    if answer is None:
        return {}
    response, usage = answer.response, answer.response.usage
    return {
        "Tokens in": _amount(usage.tokens_in),
        "of which cached": _amount(usage.tokens_cached_in),
        "of which written to the provider's cache": _amount(usage.tokens_cache_write),
        "Tokens out": _amount(usage.tokens_out),
        "of which reasoning": _amount(usage.tokens_reasoning),
        "Cost": show.money(answer.cost_usd),
        **_judge_numbers(trial),
        "Latency": _seconds(response.latency_s),
        "First token": _seconds(response.ttft_s),
        "From the cache": "yes" if answer.from_cache else "no",
        "Attempts": f"{answer.attempts}{_cancelled(answer.cancelled)}",
        "Finished by": response.finish_reason.replace("_", " "),
        "Model served": response.model_served or "",
        "Fallback": f"answered by {answer.model}: {answer.fallback_reason}" if answer.is_fallback else "",
        "Parameters dropped": ", ".join(response.dropped_params),
        "Prompt": trial.prompt or "",
        "Cluster": trial.cluster or "",
    }


def _judge_numbers(trial: Trial) -> dict[str, str]:
    """Return what the judges took; nothing where no model was asked."""
    answers = [answer for verdict in trial.verdicts for answer in verdict.answers]
    if not answers:
        return {}
    usages = [answer.response.usage for answer in answers]
    latencies = [a.response.latency_s for a in answers if a.response.latency_s is not None]
    return {
        "Judge tokens in": _amount(_sum([usage.tokens_in for usage in usages])),
        "Judge tokens out": _amount(_sum([usage.tokens_out for usage in usages])),
        "Judge cost": show.money(list_price(answers)),
        "Slowest judge call": _seconds(max(latencies, default=None)),
    }


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _cancelled(count: int) -> str:
    return f", {count} of them cancelled" if count else ""


def _amount(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _seconds(duration_s: float | None) -> str:
    return "" if duration_s is None else show.seconds(duration_s)
