"""Judges behind loopback servers: a workspace whose judge asks them, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from servers import Answer, Received, Server, openai_completion, serving
from workspaces import JUDGED_SUITE, case, lay, outputs, suite

# What a judge says of an answer, by its text: a score or a verdict, or a whole reply as text, or an answer.
Says = Callable[[str], Any]
PRICE = {"input": 1.0, "output": 1.0}


def asked_about(request: Received) -> str:
    """Return the answer that a judge's call is about: between the markers behind its title."""
    prompt: str = request.json["messages"][1]["content"]
    return prompt.partition("The answer to judge:\n")[2].split("\n")[1]


def reply(said: Any, *, criterion: str = "agrees") -> str:
    """Return a well-formed reply with one score."""
    word = {True: "pass", False: "fail"}.get(said, said) if isinstance(said, bool) else said
    return json.dumps({"evidence": [], "reasoning": f"I say {word}.", criterion: word})


def judging(says: Says) -> Callable[[Received], Answer]:
    """Return the handler of a server that judges."""

    def handle(request: Received) -> Answer:
        said = says(asked_about(request))
        if isinstance(said, Answer):
            return said
        text = said if isinstance(said, str) and said.startswith(("{", "prose")) else reply(said)
        return Answer(openai_completion(text))

    return handle


@contextmanager
def judges_at(says: Mapping[str, Says]) -> Iterator[dict[str, Server]]:
    """Serve every judge model until the block ends."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(judging(one))) for name, one in says.items()}


def judged_over_http(
    root: Path,
    servers: Mapping[str, Server | str],
    judge: Mapping[str, Any],
    *,
    answers: Sequence[str] = ("right",),
    gate: object = None,
    models: Mapping[str, Mapping[str, Any]] = {},
    priced: bool = True,
) -> None:
    """Lay a workspace: a recorded candidate `new` with these answers, case by case, and one judge.

    A server may also be an address where nobody listens.
    """
    written: dict[str, Any] = {
        "judge": "meaning",
        "criteria": {"agrees": {"ask": "Does it agree?"}},
        "pass": "agrees",
        **judge,
    }
    addresses = {name: s if isinstance(s, str) else f"{s.url}/v1" for name, s in servers.items()}
    price = {"price": PRICE} if priced else {}
    entries: dict[str, Any] = {
        name: {"provider": "openai-compatible", "base_url": url, **price} for name, url in addresses.items()
    }
    entries |= {"new": {"provider": "recorded", "path": "outputs/new.jsonl"}, **models}
    names = [f"case-{number}" for number in range(len(answers))]
    head = JUDGED_SUITE.replace("checks: [{json: strict}]\n", "")
    lay(
        root,
        {
            "cases/triage.yml": suite([case(name) for name in names], head=head, gate=gate),
            "config/models.yml": json.dumps({"models": entries}),
            "judges/meaning.yml": json.dumps(written),
            "outputs/new.jsonl": outputs(dict(zip(names, answers, strict=True))),
        },
    )
