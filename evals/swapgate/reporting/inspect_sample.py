"""A trial as a sample of an Inspect log (format 2): what was asked, answered and said of it.

https://inspect.aisi.org.uk/eval-logs.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapgate.records import Answer, CheckResult, Json, ToolCall, Trial, Usage, Verdict, turn_of
from swapgate.storable import parse_json

_STOPS = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls"}
_REFUSED = {"content_filter", "refusal"}


def sample(trial: Trial, model: str) -> dict[str, Any]:
    """Return the sample of a trial; `model` is what the log calls its model."""
    asked = [turn_of(message, [*map(_call, message.tool_calls)]) for message in trial.messages]
    output = _output(trial.answer, model) if trial.answer is not None else None
    answered = [output["choices"][0]["message"]] if output is not None else []
    found: dict[str, Any] = {
        "id": trial.case,
        "epoch": trial.repeat,
        "input": asked,
        "target": _target(trial.expected),
        "messages": [*asked, *answered],
        "scores": scores(trial),
        "metadata": _metadata(trial),
    }
    if trial.answer is not None and output is not None:
        found["output"] = output
        found["model_usage"] = {model: used} if (used := usage(trial.answer)) is not None else {}
        found["total_time"] = found["working_time"] = trial.answer.response.latency_s
    if trial.error is not None:
        message = f"{trial.error.kind}: {trial.error.message}"
        found["error"] = {"message": message, "traceback": "", "traceback_ansi": ""}
    return found


def summary(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a sample in the list that viewers show first."""
    kept = ("id", "epoch", "target", "scores", "model_usage", "total_time", "working_time")
    error = written.get("error")
    return {
        **{name: written[name] for name in kept if name in written},
        "input": "\n".join(str(turn["content"]) for turn in written["input"] if turn["role"] == "user")[
            :1000
        ],
        "metadata": {},
        "error": None if error is None else error["message"],
        "completed": error is None,
        "message_count": len(written["messages"]),
    }


def scores(trial: Trial) -> dict[str, dict[str, Any]]:
    """Return a score for each check and judge that said something: `C` is right, `I` is not."""
    found: dict[str, dict[str, Any]] = {}
    for name, score in (*map(_of_check, trial.checks), *_of_judges(trial)):
        unique, turn = name, 2
        while unique in found:
            unique, turn = f"{name}-{turn}", turn + 1
        found[unique] = score
    return found


def usage(answer: Answer) -> dict[str, Any] | None:
    """Return the tokens of an answer, None where nobody counted them: Inspect has no word for unknown.

    Those read from a cache are none of the input's there.
    """
    used: Usage = answer.response.usage
    tokens_in, tokens_out = used.tokens_in, used.tokens_out
    if tokens_in is None or tokens_out is None:
        return None
    cached, written = used.tokens_cached_in or 0, used.tokens_cache_write or 0
    return {
        "input_tokens": max(0, tokens_in - cached - written),
        "output_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "input_tokens_cache_read": used.tokens_cached_in,
        "input_tokens_cache_write": used.tokens_cache_write,
        "reasoning_tokens": used.tokens_reasoning,
        "total_cost": answer.cost_usd,
    }


def _output(answer: Answer, model: str) -> dict[str, Any]:
    response = answer.response
    stop = "content_filter" if response.finish_reason in _REFUSED else _STOPS.get(response.finish_reason)
    message: dict[str, Any] = {"role": "assistant", "content": response.text, "source": "generate"}
    message["model"] = model
    if response.tool_calls:
        message |= {"tool_calls": [_call(one) for one in response.tool_calls]}
    return {
        "model": response.model_served or model,
        "choices": [{"message": message, "stop_reason": stop or "unknown"}],
        "completion": response.text,
        "usage": usage(answer),
        "time": response.latency_s,
    }


def _call(call: ToolCall) -> dict[str, Any]:
    found: dict[str, Any] = {"id": call.id or call.name, "function": call.name, "type": "function"}
    try:
        arguments = parse_json(call.arguments or "{}")
    except ValueError as exc:
        return found | {"arguments": {}, "parse_error": f"{exc}: {call.arguments}"}
    return found | {"arguments": arguments if isinstance(arguments, dict) else {"value": arguments}}


def _target(expected: Json) -> str | list[str]:
    """Return the reference as text: JSON where it is none."""
    from swapgate.spec.templates import as_json

    if isinstance(expected, list) and all(isinstance(one, str) for one in expected):
        return [str(one) for one in expected]
    return "" if expected is None else expected if isinstance(expected, str) else as_json(expected)


def _of_check(result: CheckResult) -> tuple[str, dict[str, Any]]:
    said = "\n".join(finding.placed_message for finding in result.findings)
    metadata = {"kind": result.kind, **result.facts}
    return result.check, {
        "value": _letter(result.passed),
        "explanation": said or None,
        "metadata": metadata,
    }


def _of_judges(trial: Trial) -> Iterator[tuple[str, dict[str, Any]]]:
    for verdict in trial.verdicts:
        if verdict.passed is not None:
            yield (
                verdict.judge,
                {
                    "value": _letter(verdict.passed),
                    "explanation": _reasoning(verdict) or None,
                    "metadata": {"kind": "judge", "scores": dict(verdict.scores)},
                },
            )


def _reasoning(verdict: Verdict) -> str:
    return "\n".join(one.reasoning for one in verdict.samples if one.reasoning)


def _letter(passed: bool) -> str:
    return "C" if passed else "I"


def _metadata(trial: Trial) -> dict[str, Json]:
    found: dict[str, Json] = {
        "tags": list(trial.tags),
        "cluster": trial.cluster,
        "prompt": trial.prompt,
        "outcome": trial.outcome,
        "quarantine": None if trial.quarantine is None else trial.quarantine.reason,
        "not_scored": {v.judge: v.status for v in trial.verdicts if v.passed is None},
    }
    return {name: value for name, value in found.items() if value}
