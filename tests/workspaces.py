"""Workspaces for the tests: a suite, a schema and recorded outputs, laid into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

SUITE = """\
suite: triage
prompt: {user: "{{ message }}"}
checks:
  - json: strict
  - enum: {pointer: /label, values: [billing, bug, other]}
  - expected: [/label]
"""


def lay(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def case(name: str, *, label: str = "billing", tags: Sequence[str] = ()) -> dict[str, object]:
    return {
        "id": name,
        "input": {"message": f"about {name}"},
        "expected": {"label": label},
        "tags": list(tags),
    }


def suite(cases: Sequence[Mapping[str, object]], *, head: str = SUITE, gate: object = None) -> str:
    """Return a suite's YAML; JSON is YAML."""
    lines = [head.rstrip("\n")]
    if gate is not None:
        lines.append(f"gate: {json.dumps(gate)}")
    lines.append("cases:")
    lines += [f"  - {json.dumps(c)}" for c in cases]
    return "\n".join(lines) + "\n"


def outputs(answers: Mapping[str, str]) -> str:
    """Return recorded outputs: the answer of each case."""
    return "".join(json.dumps({"case": name, "output": answer}) + "\n" for name, answer in answers.items())


RIGHT = '{"label": "billing"}'
BLIND = '{"label": "bug"}'
FENCED = '```json\n{"label": "billing"}\n```'


def recorded_workspace(
    root: Path,
    answers: Mapping[str, Mapping[str, str]],
    *,
    gate: object = None,
    tags: Mapping[str, Sequence[str]] = {},
) -> None:
    """Lay a workspace whose models are recorded outputs: {model: {case: answer}}."""
    names = list(dict.fromkeys(name for by_case in answers.values() for name in by_case))
    models = {m: {"provider": "recorded", "path": f"outputs/{m}.jsonl"} for m in answers}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(n, tags=tags.get(n, ())) for n in names], gate=gate),
            "config/models.yml": json.dumps({"models": models}),
            **{f"outputs/{m}.jsonl": outputs(by_case) for m, by_case in answers.items()},
        },
    )
