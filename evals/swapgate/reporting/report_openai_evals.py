"""openai-evals/SUITE.jsonl: a line a trial, as OpenAI's evals take items with the answers to them.

https://platform.openai.com/docs/api-reference/evals
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from swapgate.records import Answer, ToolCall, Trial, turn_of
from swapgate.reporting.files import FileNames, atomic_file, whole

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome


class OpenAIEvalsReporter:
    """Writes the folder openai-evals/."""

    name = "openai-evals"
    filename = "openai-evals"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write a file for each suite into the folder, and return the folder with them."""
        path = folder / self.filename
        names, suite = FileNames(), None
        stream: BinaryIO | None = None
        with ExitStack() as stack:
            for trial in outcome.trials:  # by suite first
                if stream is None or trial.suite != suite:
                    stack.pop_all().close()
                    suite = trial.suite
                    stream = stack.enter_context(atomic_file(path / f"{names.of(suite)}.jsonl"))
                stream.write(_line(trial).encode())
        return path


def _line(trial: Trial) -> str:
    return whole(json.dumps(_row(trial), ensure_ascii=False, separators=(",", ":"))) + "\n"


def _row(trial: Trial) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": trial.case,
        "input": [turn_of(message, [*map(_call, message.tool_calls)]) for message in trial.messages],
    }
    if trial.expected is not None:
        item["ideal"] = trial.expected
    if trial.tags:
        item["tags"] = list(trial.tags)
    row: dict[str, Any] = {"item": item, "sample": _sample(trial), "results": _results(trial)}
    return row | {"status": {"passed": "pass", "missed": "fail"}.get(trial.outcome, "error")}


def _sample(trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = {"model": trial.model, "repeat": trial.repeat}
    if trial.answer is not None:
        found |= _answered(trial.answer)
    if trial.error is not None:
        found["error"] = {"code": str(trial.error.kind), "message": trial.error.message}
    return found


def _answered(answer: Answer) -> dict[str, Any]:
    response, used = answer.response, answer.response.usage
    found: dict[str, Any] = {"output_text": response.text, "finish_reason": response.finish_reason}
    if response.tool_calls:
        found["output_tools"] = [_call(one) for one in response.tool_calls]
    found["usage"] = {
        "prompt_tokens": used.tokens_in,
        "completion_tokens": used.tokens_out,
        "cached_tokens": used.tokens_cached_in,
    }
    return found


def _results(trial: Trial) -> list[dict[str, Any]]:
    checks = [{"name": one.check, "type": one.kind, "passed": one.passed} for one in trial.checks]
    judges = [
        {"name": one.judge, "type": "judge", "passed": one.passed, "scores": dict(one.scores)}
        for one in trial.verdicts
    ]
    return [*checks, *judges]


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
