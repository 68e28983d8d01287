"""Workspaces for the tests: a suite, a schema and recorded outputs, laid into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from swapgate.memory.history import History
from swapgate.records import Run, Trial

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


def case(
    name: str, *, label: str = "billing", tags: Sequence[str] = (), cluster: str | None = None
) -> dict[str, object]:
    written: dict[str, object] = {
        "id": name,
        "input": {"message": f"about {name}"},
        "expected": {"label": label},
        "tags": list(tags),
    }
    return written if cluster is None else written | {"cluster": cluster}


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
    clusters: Mapping[str, str] = {},
    head: str = SUITE,
) -> None:
    """Lay a workspace whose models are recorded outputs: {model: {case: answer}}."""
    names = list(dict.fromkeys(name for by_case in answers.values() for name in by_case))
    models = {m: {"provider": "recorded", "path": f"outputs/{m}.jsonl"} for m in answers}
    lay(
        root,
        {
            "cases/triage.yml": suite(
                [case(n, tags=tags.get(n, ()), cluster=clusters.get(n)) for n in names],
                head=head,
                gate=gate,
            ),
            "config/models.yml": json.dumps({"models": models}),
            **{f"outputs/{m}.jsonl": outputs(by_case) for m, by_case in answers.items()},
        },
    )


def newest_run(root: Path) -> tuple[Run, list[Trial]]:
    """Return the newest stored run of a workspace, and its trials."""
    with closing(History(root / ".swapgate" / "history.db")) as history:
        run = history.find("latest")
        return run, list(history.trials(run.id))


JUDGED_SUITE = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}]
judges: [meaning]
"""
JUDGE = """\
judge: meaning
model: judge
criteria:
  agrees: {ask: Does the label fit the message?}
pass: agrees
"""


def judged_workspace(
    root: Path,
    answers: Mapping[str, Mapping[str, str]],
    verdicts: Mapping[str, bool],
    *,
    gate: object = None,
) -> None:
    """Lay a workspace as `recorded_workspace` does, with a judge that has recorded verdicts, one a case."""
    said = {
        name: json.dumps({"evidence": [], "reasoning": "So it is.", "agrees": "pass" if passed else "fail"})
        for name, passed in verdicts.items()
    }
    recorded_workspace(root, {**answers, "judge": said}, head=JUDGED_SUITE, gate=gate)
    lay(root, {"judges/meaning.yml": JUDGE})


def calibration(rows: Sequence[tuple[bool, bool]], **head: object) -> str:
    """Return a calibration of the judge: (verdict, truth) of each label."""
    words = {True: "pass", False: "fail"}
    labels = [{"verdict": words[verdict], "truth": words[truth]} for verdict, truth in rows]
    return json.dumps({"calibration": "meaning", "design": "random", **head, "labels": labels})
