"""The same work as one pytest test a case, spread by xdist over as many processes as calls at once.

`python -m benchmarks.loadtest.peer_pytest_xdist URL CASES CONCURRENCY` becomes pytest on this file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import httpx
import pytest
from jsonschema import Draft202012Validator

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff

_VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Keep one connection for each process."""
    with httpx.Client(base_url=os.environ["MOCK_URL"], timeout=300) as http:
        yield http


def ask(client: httpx.Client, model: str, content: str) -> str:
    """Return the text of one chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    reply = client.post("/v1/chat/completions", json=body)
    text: str = reply.raise_for_status().json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("number", range(int(os.environ.get("MOCK_CASES", "0"))))
def test_review(client: httpx.Client, number: int) -> None:
    """The answer is of the schema, and the judge passes it."""
    changed = diff(number)
    answer = ask(client, "model-mock", PROMPT.replace("{diff}", changed))
    _VALIDATOR.validate(json.loads(answer))
    assert json.loads(ask(client, "judge-mock", f"{RUBRIC}\n{changed}\n{answer}"))["pass"]


if __name__ == "__main__":
    os.environ.update(MOCK_URL=sys.argv[1], MOCK_CASES=sys.argv[2])
    # --import-mode and -c: this file is a module of a package, and the project's own settings are not its.
    options = ["-q", "-c", "/dev/null", "--rootdir=.", "-p", "no:cacheprovider", "-n", sys.argv[3]]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *options, __file__])
