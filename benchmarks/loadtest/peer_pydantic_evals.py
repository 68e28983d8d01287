"""The same work with pydantic-evals: one call and one judge call a case through httpx, a JSON schema."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import ClassVar

import httpx
from jsonschema import Draft202012Validator
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff

_VALIDATOR = Draft202012Validator(SCHEMA)


async def ask(http: httpx.AsyncClient, url: str, model: str, content: str) -> str:
    """Return the text of one chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    reply = await http.post(f"{url}/v1/chat/completions", json=body)
    text: str = reply.json()["choices"][0]["message"]["content"]
    return text


@dataclass
class Structure(Evaluator[str, str, None]):
    """Whether an answer is of the schema."""

    def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> bool:
        """Validate the answer."""
        return not any(_VALIDATOR.iter_errors(json.loads(ctx.output)))


@dataclass
class Judged(Evaluator[str, str, None]):
    """What the judge says."""

    url: str
    http: ClassVar[httpx.AsyncClient]

    async def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> str:
        """Ask the judge."""
        return await ask(self.http, self.url, "judge-mock", f"{RUBRIC}\n{ctx.inputs}\n{ctx.output}")


async def main(url: str, cases: int, concurrency: int) -> None:
    """Evaluate every case."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits, timeout=120) as http:
        Judged.http = http

        async def task(inputs: str) -> str:
            return await ask(http, url, "model-mock", PROMPT.replace("{diff}", inputs))

        dataset: Dataset[str, str, None] = Dataset(
            name="reviews",
            cases=[Case(name=f"case-{number}", inputs=diff(number)) for number in range(cases)],
            evaluators=[Structure(), Judged(url=url)],
        )
        report = await dataset.evaluate(task, max_concurrency=concurrency, progress=False)
    if report.failures or len(report.cases) != cases:
        raise SystemExit(f"{len(report.failures)} of {cases} cases failed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
