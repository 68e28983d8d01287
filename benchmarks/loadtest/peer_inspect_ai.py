"""The same work with inspect_ai: `generate`, a scorer for the schema, `model_graded_qa` for the judge."""

from __future__ import annotations

import json
import os
import sys

from inspect_ai import Task, eval  # noqa: A004 - its documentation's name
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, model_graded_qa, scorer
from inspect_ai.solver import TaskState, generate
from jsonschema import Draft202012Validator

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff

_VALIDATOR = Draft202012Validator(SCHEMA)


@scorer(metrics=[accuracy()])
def structure() -> Scorer:
    """Whether an answer is of the schema."""

    async def score(state: TaskState, target: Target) -> Score:
        is_right = not any(_VALIDATOR.iter_errors(json.loads(state.output.completion)))
        return Score(value=CORRECT if is_right else INCORRECT)

    return score


def main(url: str, cases: int, concurrency: int, *, uses_cache: bool) -> None:
    """Evaluate every case."""
    os.environ.update(MOCK_BASE_URL=f"{url}/v1", MOCK_API_KEY="mock-key", INSPECT_CACHE_DIR="cache")
    config = GenerateConfig(max_connections=concurrency, cache=uses_cache)
    judge = get_model("openai-api/mock/judge-mock", config=config)
    task = Task(
        dataset=[
            Sample(id=number, input=PROMPT.replace("{diff}", diff(number)), target=RUBRIC)
            for number in range(cases)
        ],
        solver=generate(cache=uses_cache),
        scorer=[structure(), model_graded_qa(grade_pattern=r'"pass": (true|false)', model=judge)],
    )
    (log,) = eval(
        task,
        model="openai-api/mock/model-mock",
        max_connections=concurrency,
        max_samples=concurrency,
        display="none",
        log_dir="logs",
    )
    if log.status != "success" or len(log.samples or []) != cases:
        raise SystemExit(f"{log.status}: {log.error}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), uses_cache="cache" in sys.argv[4:])
