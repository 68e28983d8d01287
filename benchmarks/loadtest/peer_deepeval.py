"""The same work with deepeval: openai's client for the answers, then `evaluate` with GEval and a schema.

As in its documentation: a custom model for the judge, a metric of one's own for the schema. One client is
kept for all calls, which its ready-made `LocalModel` does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

# Before the import, which sends something otherwise; its limits of a task's time would end long queues.
os.environ.update(DEEPEVAL_TELEMETRY_OPT_OUT="1", DEEPEVAL_DISABLE_TIMEOUTS="1")

from deepeval import evaluate
from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import BaseMetric, GEval
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import LLMTestCase, SingleTurnParams
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff

_VALIDATOR = Draft202012Validator(SCHEMA)


async def ask(client: AsyncOpenAI, model: str, content: str) -> str:
    """Return the text of one chat completion."""
    reply = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    return reply.choices[0].message.content or ""


class Judge(DeepEvalBaseLLM):
    """The judge's model, as the documentation has a custom one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: AsyncOpenAI | None = None
        super().__init__("judge-mock")

    def load_model(self) -> Any:
        """Nothing is to be loaded."""
        return None

    def generate(self, prompt: str) -> str:
        """Answer without a loop: never asked for here."""
        raise NotImplementedError

    async def a_generate(self, prompt: str) -> str:
        """Answer with the one client, which is made where the loop is."""
        self._client = self._client or client_at(self._url)
        return await ask(self._client, "judge-mock", prompt)

    def get_model_name(self) -> str:
        """Return the name that reports show."""
        return "judge-mock"


class Structure(BaseMetric):  # type: ignore[misc]
    """Whether an answer is of the schema."""

    threshold = 1.0
    async_mode = True

    def measure(self, test_case: LLMTestCase) -> float:
        """Validate the answer."""
        self.score = float(not any(_VALIDATOR.iter_errors(json.loads(test_case.actual_output))))
        self.success = self.score >= self.threshold
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        """Validate the answer."""
        return self.measure(test_case)

    def is_successful(self) -> bool:
        """Whether the answer was of the schema."""
        return bool(self.success)

    @property
    def __name__(self) -> str:
        return "Structure"


def client_at(url: str) -> AsyncOpenAI:
    """Return a client of the mock server."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="mock-key", max_retries=0, timeout=300)


async def answers(url: str, cases: int, concurrency: int) -> list[LLMTestCase]:
    """Ask the model under test, so many cases at once."""
    slots = asyncio.Semaphore(concurrency)
    async with client_at(url) as client:

        async def one(number: int) -> LLMTestCase:
            changed = diff(number)
            async with slots:
                output = await ask(client, "model-mock", PROMPT.replace("{diff}", changed))
            return LLMTestCase(input=changed, actual_output=output)

        return await asyncio.gather(*map(one, range(cases)))


def main(url: str, cases: int, concurrency: int, *, uses_cache: bool) -> None:
    """Evaluate every case."""
    judged = GEval(
        name="Review",
        evaluation_steps=[RUBRIC],
        evaluation_params=[SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT],
        model=Judge(url),
        threshold=0.1,
    )
    result = evaluate(
        test_cases=asyncio.run(answers(url, cases, concurrency)),
        metrics=[Structure(), judged],
        async_config=AsyncConfig(max_concurrent=concurrency),
        display_config=DisplayConfig(show_indicator=False, print_results=False),
        cache_config=CacheConfig(write_cache=uses_cache, use_cache=uses_cache),
    )
    failed = sum(not one.success for one in result.test_results)
    if failed or len(result.test_results) != cases:
        raise SystemExit(f"{failed} of {cases} cases failed")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), uses_cache="cache" in sys.argv[4:])
