"""A workspace to measure with: code-review cases of about 800 tokens, a schema, a judge, two models."""

from __future__ import annotations

import json
import random
from pathlib import Path

RECOMMENDATIONS = {"A": "approve", "C": "request_changes", "M": "comment"}
ISSUE = {
    "type": "object",
    "required": ["line", "severity", "text"],
    "properties": {
        "line": {"type": "integer"},
        "severity": {"enum": ["minor", "major", "blocker"]},
        "text": {"type": "string"},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["recommendation", "summary", "issues"],
    "additionalProperties": False,
    "properties": {
        "recommendation": {"type": "string", "enum": list(RECOMMENDATIONS.values())},
        "summary": {"type": "string", "minLength": 1},
        "issues": {"type": "array", "items": ISSUE},
    },
}
PROMPT = (
    "You are a code reviewer. Answer with one JSON object with the keys recommendation "
    "(approve, request_changes or comment), summary and issues.\n\nDiff:\n{diff}\n"
)
RUBRIC = "The review is about the change in the diff and names at least one risk."
JUDGE = f"""\
judge: review
model: judge-mock
criteria:
  accuracy: {{ask: "{RUBRIC}", scale: [1, 5]}}
  specificity: {{ask: "Are claims concrete, not vague?", scale: [1, 5]}}
pass: accuracy >= 4
"""
WORDS = [
    *("load", "save", "open", "close", "retry", "limit", "handle", "buffer", "cache", "index", "parse"),
    *("token", "frame", "queue", "batch", "merge", "split", "encode", "decode", "config", "option"),
    *("value", "record", "stream", "chunk", "offset", "count", "total", "result", "error", "timeout"),
]


def lay(root: Path, cases: int, *, url: str, chars: int = 3000) -> None:
    """Write a workspace of this many cases, in suite files of 1,000, whose models are served at `url`."""
    for folder in ("cases", "judges", "config"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for start in range(0, cases, 1000):
        numbers = range(start, min(start + 1000, cases))
        (root / "cases" / f"reviews_{start // 1000:03d}.yml").write_text(suite(start // 1000, numbers, chars))
    (root / "judges" / "review.yml").write_text(JUDGE)
    shared = {
        "provider": "openai-compatible",
        "base_url": f"{url}/v1",
        "api_key_env": "MOCK_KEY",
        "price": {"input": 1, "output": 4},
    }
    models = {name: {**shared, "model": name} for name in ("model-mock", "judge-mock")}
    (root / "config" / "models.yml").write_text(json.dumps({"models": models}))
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.swapgate]\n")


def suite(number: int, cases: range, chars: int) -> str:
    """Return a suite as YAML."""
    head = {
        "suite": f"reviews-{number:03d}",
        "prompt": {"user": PROMPT.replace("{diff}", "{{ diff }}")},
        "checks": [{"json": "strict"}, {"schema": SCHEMA}, {"expected": ["/recommendation"]}],
        "judges": ["review"],
        "gate": {"semantic": {"min": 0.85, "on": "point"}},
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items()]
    return (
        "\n".join([*lines, "cases:", *(written for case in cases for written in case_lines(case, chars))])
        + "\n"
    )


def case_lines(number: int, chars: int) -> list[str]:
    """Return one case as people write it: the diff as a block of text."""
    text = diff(number, chars)
    return [
        f"  - id: case-{number:06d}",
        f"    expected: {{recommendation: {RECOMMENDATIONS['ACM'[number % 3]]}}}",
        "    input:",
        "      diff: |",
        *(f"        {line}" for line in text.split("\n")),
    ]


def diff(number: int, chars: int = 3000) -> str:
    """Return a diff of about 800 tokens; its marker tells the mock server the right answer."""
    draw = random.Random(number)
    lines = [f"# ticket RV-{number:06d}-{'ACM'[number % 3]}", "diff --git a/src/loader.py b/src/loader.py"]
    while sum(map(len, lines)) + len(lines) < chars:
        lines.append(
            f"@@ -{draw.randint(1, 400)},7 +{draw.randint(1, 400)},9 @@ def {word(draw)}_{word(draw)}(self):"
        )
        lines += [code_line(draw) for _ in range(9)]
    return "\n".join(lines)


def code_line(draw: random.Random) -> str:
    """Return one changed line."""
    call = f"self.{word(draw)}({word(draw)}, {word(draw)}={draw.randint(0, 999)})"
    return f"{draw.choice(' +-')}    {word(draw)}_{word(draw)} = {call}  # {word(draw)} {word(draw)}"


def word(draw: random.Random) -> str:
    """Return one of the words."""
    return draw.choice(WORDS)
