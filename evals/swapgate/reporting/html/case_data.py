"""The cases as report.html embeds them: plain JSON, every text visible and capped, every number in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from tempfile import SpooledTemporaryFile
from typing import IO

from swapgate.facts import facts_of, first_reason
from swapgate.records import (
    Answer,
    CheckResult,
    Json,
    JudgeSample,
    Message,
    Rival,
    ToolCall,
    Trial,
    Verdict,
)
from swapgate.reporting import format as show
from swapgate.reporting.text import clipped, safe_text, visible
from swapgate.reporting.words.judges import opinion_lines
from swapgate.reporting.words.reasons import standing, worst_first

TEXT_CHARS = 20_000
REASON_CHARS = 300
# Bytes of texts held in memory, and characters read back at once.
_HELD, _AT_ONCE = 4_000_000, 100_000
# Inside <script> only `<` can end the element; the others guard against other readers of the page.
_SCRIPT_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


class _Texts:
    """Texts kept once each, in a file: the system prompt of five thousand trials is one text."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._numbers: dict[bytes, int] = {}

    def number(self, text: str) -> int:
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if key not in self._numbers:
            self._file.write(("," if self._numbers else "") + script_json(clipped(text, TEXT_CHARS)))
            self._numbers[key] = len(self._numbers)
        return self._numbers[key]


def script_json(value: Json) -> str:
    """Return the value as JSON that is safe inside a <script> element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_SCRIPT_ESCAPES)


def case_chunks(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield `{"trials": [...], "texts": [...]}` in pieces; what did not pass comes first."""
    with SpooledTemporaryFile(_HELD, "w+", encoding="utf-8", errors="surrogatepass", newline="") as file:
        texts = _Texts(file)
        yield '{"trials":['
        for number, trial in enumerate(worst_first(trials)):
            yield (",\n" if number else "\n") + script_json(case_entry(trial, texts=texts))
        yield '\n],"texts":['
        file.seek(0)
        yield from iter(lambda: file.read(_AT_ONCE), "")
        yield "]}"


def case_entry(trial: Trial, *, texts: _Texts) -> dict[str, Json]:
    """Return one trial as the report's script reads it; messages refer to `texts` by number."""
    return {
        "suite": visible(trial.suite),
        "case": visible(trial.case),
        "model": visible(trial.model),
        "repeat": trial.repeat,
        "role": trial.role,
        "standing": standing(trial),
        "tags": [visible(tag) for tag in trial.tags],
        "reason": safe_text(first_reason(trial), REASON_CHARS),
        "where": visible(f"{trial.path}:{trial.line}" if trial.line else trial.path),
        "messages": [_message(m, texts=texts) for m in trial.messages],
        "response": _response(trial.answer),
        "expected": _expected(trial.expected),
        "checks": [_check(check) for check in trial.checks],
        "verdicts": [_verdict(verdict) for verdict in trial.verdicts],
        "error": _error(trial),
        "numbers": [[name, value] for name, value in _numbers(trial).items()],
    }


def _message(message: Message, *, texts: _Texts) -> Json:
    return [message.role, texts.number(_with_calls(message.content, message.tool_calls))]


def _response(answer: Answer | None) -> str | None:
    if answer is None:
        return None
    return clipped(_with_calls(answer.response.text, answer.response.tool_calls), TEXT_CHARS)


def _with_calls(text: str, calls: Iterable[ToolCall]) -> str:
    return "\n".join([*([text] if text else []), *(f"[calls {c.name}] {c.arguments}" for c in calls)])


def _expected(expected: Json) -> str | None:
    if expected is None:
        return None
    text = expected if isinstance(expected, str) else json.dumps(expected, ensure_ascii=False, indent=2)
    return clipped(text, TEXT_CHARS)


def _check(check: CheckResult) -> Json:
    return {
        "name": visible(check.check),
        "kind": check.kind,
        "passed": check.passed,
        "findings": [
            {
                "message": clipped(finding.message, TEXT_CHARS),
                "pointer": clipped(finding.pointer, TEXT_CHARS),
                "wanted": clipped(finding.wanted, TEXT_CHARS),
                "got": clipped(finding.got, TEXT_CHARS),
            }
            for finding in check.findings
        ],
    }


def _verdict(verdict: Verdict) -> Json:
    return {
        "judge": visible(verdict.judge),
        "model": visible(verdict.model),
        "status": verdict.status,
        "passed": verdict.passed,
        "scores": _scores(verdict.scores),
        "reason": clipped(verdict.reason, TEXT_CHARS),
        "rival": _rival(verdict.rival),
        "opinions": [clipped(line, TEXT_CHARS) for line in opinion_lines(verdict)],
        "samples": [_sample(sample) for sample in verdict.samples],
    }


def _rival(rival: Rival | None) -> Json:
    return None if rival is None else [visible(rival.name), clipped(rival.text, TEXT_CHARS)]


def _sample(sample: JudgeSample) -> Json:
    return {
        "status": sample.status.replace("_", " "),
        "criterion": visible(sample.criterion or ""),
        "scores": _scores(sample.scores),
        "reasoning": clipped(sample.reasoning, TEXT_CHARS),
        "problem": clipped(sample.problem, TEXT_CHARS),
        "evidence": [[clipped(e.quote, TEXT_CHARS), e.is_verbatim] for e in sample.evidence],
        "raw": clipped(sample.raw, TEXT_CHARS),
    }


def _scores(scores: Mapping[str, float]) -> list[Json]:
    return [[visible(name), f"{value:g}"] for name, value in sorted(scores.items())]


def _error(trial: Trial) -> Json:
    error = trial.error
    if error is None:
        return None
    return {
        "kind": error.kind.value,
        "message": clipped(error.message, TEXT_CHARS),
        "source": visible(error.source),
    }


def _numbers(trial: Trial) -> dict[str, str]:
    """Return the facts of the answer that are known, in words."""
    answer = trial.answer
    if answer is None:
        return {}
    response, usage = answer.response, answer.response.usage
    facts = {
        "Tokens in": _amount(usage.tokens_in),
        "of which cached": _amount(usage.tokens_cached_in),
        "of which written to the provider's cache": _amount(usage.tokens_cache_write),
        "Tokens out": _amount(usage.tokens_out),
        "of which reasoning": _amount(usage.tokens_reasoning),
        "Cost": show.money(answer.cost_usd),
        **_judge_numbers(trial),
        "Latency": show.seconds(response.latency_s) if response.latency_s is not None else "",
        "First token": show.seconds(response.ttft_s) if response.ttft_s is not None else "",
        "From the cache": "yes" if answer.from_cache else "no",
        "Attempts": str(answer.attempts),
        "Finished by": response.finish_reason.replace("_", " "),
        "Model served": response.model_served or "",
        "Fallback": f"answered by {answer.model}: {answer.fallback_reason}" if answer.is_fallback else "",
        "Parameters dropped": ", ".join(response.dropped_params),
        "Prompt": trial.prompt or "",
        "Cluster": trial.cluster or "",
    }
    return {name: safe_text(value, REASON_CHARS) for name, value in facts.items() if value}


def _judge_numbers(trial: Trial) -> dict[str, str]:
    """Return what the judges took; nothing where no model was asked."""
    facts = facts_of(trial)
    if not facts.judging:
        return {}
    is_counted = facts.judge_counted > 0
    return {
        "Judge tokens in": _amount(facts.judge_tokens_in if is_counted else None),
        "Judge tokens out": _amount(facts.judge_tokens_out if is_counted else None),
        "Judge cost": show.money(facts.judge_cost_usd),
        "Slowest judge call": show.seconds(facts.judge_latency_s)
        if facts.judge_latency_s is not None
        else "",
    }


def _amount(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
