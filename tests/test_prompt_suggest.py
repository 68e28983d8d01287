"""`swapgate prompt suggest`: chosen on one half, gated on the other, nothing overwritten, and refusals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.cli import main
from swapgate.engine.workspace import Workspace
from swapgate.prompting.suggesting.halves import halves
from swapgate.prompting.suggesting.proposal import Refused, read_proposal, require_usable
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Prompt, effective
from swapgate.spec.settings import resolve_settings
from workspaces import case, lay, suite

# Wraps its JSON unless it is told ONLY; a case whose id is odd stays wrong whatever it is told.
MODELS = """\
import json
from pathlib import Path
from swapgate.records import Request

HERE = Path(__file__).parent

def pupil(request: Request) -> str:
    label = json.dumps({"label": "billing"})
    return label if "ONLY" in request.messages[0].content else f"Sure! {label}"

def author(request: Request) -> str:
    asked = sorted(HERE.glob("asked-*.txt"))
    (HERE / f"asked-{len(asked) + 1}.txt").write_text(request.messages[-1].content, encoding="utf-8")
    replies = json.loads((HERE / "replies.json").read_text(encoding="utf-8"))
    return replies[min(len(asked), len(replies) - 1)]
"""
CONFIG = """\
models:
  pupil: {provider: python, model: "minds:pupil"}
  author: {provider: python, model: "minds:author"}
"""
PROMPT = """\
prompt: triage
system: Label the message. Return JSON.
user: |
  <message>
  {{ message }}
  </message>
overrides:
  pupil: {params: {max_tokens: 50}}
"""
HEAD = """\
suite: triage
prompt: triage
checks:
  - json: strict
"""
GOOD = json.dumps({"why": "firm", "system": "Answer with ONLY a JSON object."})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace of 160 cases whose model wraps its JSON; modules of earlier ones are forgotten."""
    import sys

    monkeypatch.delitem(sys.modules, "minds", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    lay(
        tmp_path,
        {
            "minds.py": MODELS,
            "config/models.yml": CONFIG,
            "prompts/triage.yml": PROMPT,
            "cases/triage.yml": suite([case(f"c{n}") for n in range(160)], head=HEAD),
        },
    )
    return tmp_path


def suggest(root: Path, replies: Sequence[str], *options: str) -> int:
    (root / "replies.json").write_text(json.dumps(list(replies)), encoding="utf-8")
    told = ["triage", "--model", "pupil", "--with", "author", "--root", str(root), *options]
    return main(["prompt", "suggest", *told])


def files(root: Path) -> Mapping[str, bytes]:
    places = [*(root / "prompts").rglob("*"), *(root / "cases").rglob("*")]
    return {str(path): path.read_bytes() for path in places if path.is_file()}


def test_better_proposal_passes_the_gate_on_the_half_that_nobody_saw(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    assert suggest(root, [GOOD], "--tries", "1") == 0
    told = capsys.readouterr().out
    assert "+Answer with ONLY a JSON object." in told
    assert "chosen on the training half alone: proposal 1" in told
    assert told.splitlines()[-1].startswith("gate on the held-out half: PASS")
    written = root / "prompts" / "suggested" / "triage.pupil.yml"
    text = written.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {
        "overrides": {
            "pupil": {"params": {"max_tokens": 50}, "system": "Answer with ONLY a JSON object."},
        }
    }
    assert {path: files(root)[path] for path in before} == before
    # No case of the held-out half, and no more failures than fit, were shown to the author.
    asked = (root / "asked-1.txt").read_text(encoding="utf-8")
    workspace = Workspace(resolve_settings(root, {}, {}))
    found = halves("triage", [workspace.suite(root / "cases" / "triage.yml")])
    shown = [place for place in (*found.training, *found.held_out) if f'"about {_id(place)}"' in asked]
    assert len(shown) == 8
    assert set(map(_id, shown)) <= set(map(_id, found.training))
    # The override is one that a prompt takes as it stands.
    (root / "prompts" / "triage.yml").write_text(PROMPT.partition("overrides:")[0] + text, encoding="utf-8")
    assert main(["check", "--root", str(root)]) == 0


def _id(place: Any) -> str:
    return str(place[1].placed.case.id)


def test_second_suggestion_takes_another_file_and_an_existing_one_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert suggest(root, [GOOD], "--tries", "1") == 0
    assert suggest(root, [GOOD], "--tries", "1") == 0
    assert sorted(path.name for path in (root / "prompts" / "suggested").iterdir()) == [
        "triage.pupil-2.yml",
        "triage.pupil.yml",
    ]
    mine = root / "mine.yml"
    mine.write_text("mine", encoding="utf-8")
    assert suggest(root, [GOOD], "--to", str(mine)) == 4
    assert "nothing is overwritten" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine"


def test_refused_proposals_are_counted_and_the_next_one_hears_of_them(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [
        "I would rather not.",
        json.dumps({"user": "{{ message.__class__ }}"}),
        json.dumps({"user": "{{ message }} {{ secret }}"}),
        f"Here it is:\n```json\n{GOOD}\n```",
        GOOD,
    ]
    assert suggest(root, replies, "--tries", "5", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [bool(one["refused"]) for one in found["tries"]] == [True, True, True, False, True]
    assert found["refused"] == 4
    assert found["chosen"] == 4
    assert "no JSON object" in found["tries"][0]["refused"]
    assert ".__class__" in found["tries"][1]["refused"]
    assert "unknown variables: secret" in found["tries"][2]["refused"]
    assert "the same as one that was tried" in found["tries"][4]["refused"]
    assert "1. refused: the reply holds no JSON object" in (root / "asked-2.txt").read_text("utf-8")
    assert found["gate"]["answer"] == "pass"
    assert found["before_held_out"]["passed"] == 0
    assert found["after_held_out"]["passed"] == found["held_out_cases"]


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ([json.dumps({"system": "Be kind. Return JSON."})], "no proposal did better on the training half"),
        (["no"], "none of the proposals could be used"),
    ],
)
def test_nothing_is_written_where_nothing_is_better(
    root: Path, capsys: pytest.CaptureFixture[str], replies: list[str], told: str
) -> None:
    assert suggest(root, replies, "--tries", "2") == 10
    assert told in capsys.readouterr().out.splitlines()[-1]
    assert not (root / "prompts" / "suggested").exists()


def test_prompt_that_never_fails_asks_no_author(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"prompts/triage.yml": PROMPT.replace("Return JSON", "Return ONLY JSON")})
    assert suggest(root, [GOOD]) == 10
    assert "nothing to learn from" in capsys.readouterr().out
    assert not list(root.glob("asked-*"))


def test_key_in_a_case_is_not_shown_to_the_author(root: Path) -> None:
    secret = "sk-abcdefghijklmnop1234567890"
    cases = [{**case(f"c{n}"), "input": {"message": f"{n}: my key is {secret}"}} for n in range(20)]
    lay(root, {"cases/triage.yml": suite(cases, head=HEAD)})
    assert suggest(root, [GOOD], "--tries", "1") == 10
    asked = (root / "asked-1.txt").read_text(encoding="utf-8")
    assert "[key]" in asked
    assert secret not in asked


def test_text_prompt_comes_back_as_yaml_that_can_hold_the_override(root: Path) -> None:
    (root / "prompts" / "triage.yml").unlink()
    lay(root, {"prompts/triage.txt": "Label it. Return JSON.\n{{ message }}\n"})
    reply = json.dumps({"user": "Answer with ONLY JSON.\n{{ message }}\n"})
    assert suggest(root, [reply], "--tries", "1") == 0
    written = yaml.safe_load((root / "prompts" / "suggested" / "triage.pupil.yml").read_text("utf-8"))
    assert written == {
        "prompt": "triage",
        "user": "Label it. Return JSON.\n{{ message }}\n",
        "overrides": {"pupil": {"user": "Answer with ONLY JSON.\n{{ message }}\n"}},
    }


def test_prompt_of_a_suite_comes_back_as_a_file_of_its_own(root: Path) -> None:
    (root / "prompts" / "triage.yml").unlink()
    head = HEAD.replace("prompt: triage", "prompt: {user: 'Return JSON. {{ message }}'}")
    lay(root, {"cases/triage.yml": suite([case(f"c{n}") for n in range(30)], head=head)})
    assert suggest(root, [json.dumps({"user": "Return ONLY JSON. {{ message }}"})], "--tries", "1") == 10
    text = (root / "prompts" / "suggested" / "triage.pupil.yml").read_text("utf-8")
    assert "cases/triage.yml can hold no override. Make this prompts/triage.yml, and name it there" in text
    assert yaml.safe_load(text)["prompt"] == "triage"


def test_dry_run_asks_nobody_and_mistakes_are_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suggest(root, [GOOD], "--dry-run", "--tries", "2") == 0
    told = capsys.readouterr().out
    assert "dry run: nothing was called." in told
    assert "author" in told
    assert not list(root.glob("asked-*"))
    assert main(["prompt", "suggest", "triaje", "--model", "pupil", "--root", str(root)]) == 4
    assert "Did you mean 'triage'?" in capsys.readouterr().err
    lay(root, {"cases/triage.yml": suite([case("alone")], head=HEAD)})
    assert suggest(root, [GOOD]) == 4
    assert "leave none" in capsys.readouterr().err


BASE = Prompt(
    prompt="p",
    system="{{ blocks.rules }}",
    user="{% for line in lines %}{{ loop.index }} {{ line }}{% endfor %}",
    blocks={"rules": "Be short."},
)
SPEC = ModelSpec(name="m", provider="openai", model="m-1")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ({"system": "{{ cycler.__init__.__globals__ }}"}, "the prompt's does not: .__globals__, .__init__"),
        ({"user": "{{ lines.pop() }}"}, "a call"),
        ({"user": "{{ lines | join }}"}, "|join"),
        ({"user": "{{ lines[0] }}"}, "[...]"),
        ({"user": "{{ lines }}{% include 'x' %}"}, "include"),
        ({"user": "{{ lines }}{% set x = 1 %}"}, "assign"),
        ({"user": "{{ lines }}{{ 9 ** 9 }}"}, "arithmetic"),
        ({"user": "{{ lines "}, "template, its line 1"),
        ({"user": "nothing"}, "leaves out what the case brings: lines"),
        ({"user": "{{ lines }}{{ range }}"}, "does not: range"),
        ({"system": "{{ blocks.none }}"}, "no block 'none'"),
        ({"blocks": {"rules": "{{ blocks.rules }}"}}, "circle"),
        ({"system": "Use sk-abcdefghijklmnop1234."}, "key or a password"),
        ({"system": "x" * 20_001}, "at most 20,000"),
        ({"why": "nothing"}, "it changes no text"),
        ({"params": {"max_tokens": 9}, "system": "x"}, "params"),
        ({"system": "Say: the quick brown fox jumps over the lazy dog of case one"}, "copies the text"),
    ],
)
def test_proposal_that_could_not_be_an_authors_is_refused(
    tmp_path: Path, reply: dict[str, Any], told: str
) -> None:
    cases = [
        {"id": "one", "input": {"lines": ["The quick brown fox jumps over the lazy dog of case one"]}},
        {"id": "two", "input": {"lines": ["b"]}},
    ]
    lay(tmp_path, {"cases/s.yml": suite(cases, head="suite: s\nprompt: {user: '{{ lines }}'}")})
    ready = Workspace(resolve_settings(tmp_path, {}, {})).suite(tmp_path / "cases" / "s.yml")
    places = [(ready, one) for one in ready.cases]
    with pytest.raises(Refused) as refused:
        require_usable(read_proposal(json.dumps(reply)), BASE, SPEC, places, [effective(BASE, SPEC).hash])
    assert told in str(refused.value)


TEXTS = st.dictionaries(st.sampled_from(["system", "user", "why", "x"]), st.text(max_size=40))


@settings(max_examples=60, deadline=None)
@given(reply=st.text(max_size=300) | TEXTS.map(json.dumps))
def test_any_reply_is_a_proposal_or_refused(reply: str) -> None:
    try:
        proposal = read_proposal(reply)
        require_usable(proposal, BASE, SPEC, (), [])
    except Refused as exc:
        assert str(exc)


def test_halves_keep_clusters_and_equal_questions_together_and_stay_when_cases_are_added(
    tmp_path: Path,
) -> None:
    clustered = [case(f"c{n}", cluster=f"k{n // 4}") for n in range(200)]
    equal = [{**case(f"e{n}"), "input": {"message": f"same {n // 2}"}} for n in range(40)]
    sides = []
    for number, cases in enumerate(([*clustered, *equal], [case("new"), *equal, *clustered])):
        folder = tmp_path / str(number)
        lay(folder, {"cases/triage.yml": suite(cases, head="suite: triage\nprompt: {user: '{{ message }}'}")})
        workspace = Workspace(resolve_settings(folder, {}, {}))
        found = halves("triage", [workspace.suite(folder / "cases" / "triage.yml")])
        both = ((found.training, 0), (found.held_out, 1))
        sides.append({_id(place): side for places, side in both for place in places})
    assert {name: sides[1][name] for name in sides[0]} == sides[0]
    assert all(len({sides[0][f"c{4 * k + n}"] for n in range(4)}) == 1 for k in range(50))
    assert all(sides[0][f"e{2 * n}"] == sides[0][f"e{2 * n + 1}"] for n in range(20))
    counts = Counter(sides[0].values())
    assert min(counts.values()) > 70
