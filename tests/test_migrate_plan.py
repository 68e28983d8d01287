"""`swapgate migrate plan`: every step of a migration, where it is done and where it is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import swapgate
from migrations import lay_files, lay_migration, mirror
from servers import Answer, Received, openai_completion, serving
from swapgate.cli import main
from swapgate.migration.checklist import Step, exit_code
from swapgate.shadow.ramp.state import RAMP_FILE, RampStore
from test_dry_run import PASS, RIGHT
from workspaces import case, lay, suite

CASES = 60
SHADOW = """
routes:
  code_review: {control: old, candidate: candidate}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migration on its way."""
    root = tmp_path_factory.mktemp("plan") / "w"
    root.mkdir()
    lay_migration(root)
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "w"))


def steps(root: Path, capsys: pytest.CaptureFixture[str], *given: str, code: int = 1) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["migrate", "plan", "--root", str(root), "--json", *given]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    return {step["name"]: step for step in found["steps"]}


def states(found: dict[str, Any]) -> dict[str, str]:
    return {name: step["state"] for name, step in found.items()}


def test_each_step_says_how_it_stands_and_what_to_do(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = steps(whole, capsys)
    assert states(found) == {
        "config": "done",
        "shadow": "open",
        "semantic": "done",
        "pins": "open",
        "prompts": "done",
        "suites": "done",
        "compared": "open",
        "judges": "open",
        "week": "done",
        "promoted": "open",
        "index": "open",
        "ramped": "open",
        "locked": "open",
        "latency": "unknown",
        "cache": "unknown",
        "prefix": "open",
        "tokens": "unknown",
        "chunks": "done",
    }
    assert found["prompts"]["evidence"] == "1 prompt in files, 1 with an override for candidate"
    assert found["compared"]["todo"] == "pytest --model=candidate --baseline=old"
    assert all(step["todo"] for step in found.values() if step["state"] == "open")
    assert not any(step["todo"] for step in found.values() if step["state"] == "done")


def test_steps_are_done_once_they_are_done(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same workspace with what was open done by the commands and files that it names."""
    models = json.loads((copy / "config" / "models.yml").read_text())
    for entry in models["models"].values():
        entry["accept_unpinned"] = {"reason": "a gateway of ours", "until": "2099-01-01"}
    lay(copy, {"config/models.yml": json.dumps(models), "config/shadow.yml": SHADOW})
    rows = [{"verdict": "pass", "truth": "pass"}, {"verdict": "fail", "truth": "fail"}]
    lay(copy, {"judges/meaning.calibration.yml": json.dumps({"calibration": "meaning", "labels": rows})})
    assert main(["models", "lock", "--root", str(copy)]) == 0
    with closing(RampStore(copy / ".swapgate" / RAMP_FILE)) as ramps:
        ramps.add_verdict(
            "code_review", candidate="candidate", setup="s", verdict="promote", reason="all holds"
        )
        ramps.start("code_review", candidate="candidate", setup="s", share=0.05, who="a", why="b")
    found = steps(copy, capsys)
    wanted = dict.fromkeys(("shadow", "pins", "judges", "promoted", "locked"), "done")
    assert {name: state for name, state in states(found).items() if name in wanted} == wanted
    assert (found["ramped"]["state"], found["ramped"]["evidence"]) == ("open", "code_review 5%")
    with closing(RampStore(copy / ".swapgate" / RAMP_FILE)) as ramps:
        ramps.advance("code_review", expected=0.05, share=1.0, who="a", why="b")
    assert steps(copy, capsys)["ramped"]["state"] == "done"


@pytest.mark.parametrize(
    ("files", "step", "state", "said"),
    [
        (
            {"app.py": 'MODEL = "gpt-5.5-2026-04-23"\n'},
            "config",
            "open",
            "1 model id in source code, the first at app.py:1",
        ),
        (
            {"cases/bare.yml": "suite: bare\nprompt: {user: '{{ a }}'}\ncases: [{id: x, input: {a: b}}]\n"},
            "semantic",
            "open",
            "1 of 7 cases check the structure alone: bare/x",
        ),
        (
            {"cases/bare.yml": "suite: bare\nprompt: {user: '{{ a }}'}\ncases: [{id: x, input: {a: b}}]\n"},
            "prompts",
            "open",
            "the prompt of bare stands in the suite",
        ),
        ({"cases/bad.yml": "suite: [\n"}, "suites", "unknown", "could not find out: cases/bad.yml:"),
        (
            {"config/index.yml": "migration: 1\n"},
            "index",
            "unknown",
            "not find out: config/index.yml:1",
        ),
        ({"config/models.lock": "version: 99\n"}, "locked", "unknown", "could not find out:"),
        ({"config/shadow.yml": "routes: {a: {control: nobody}}\n"}, "shadow", "done", "exchanges"),
        (
            {".swapgate/ramp.db": "no database, but long enough to be read as one"},
            "ramped",
            "unknown",
            "could not",
        ),
    ],
    ids=["code", "structure", "inline", "suite", "index", "lock", "shadow", "ramp"],
)
def test_a_step_is_judged_by_what_is_there(
    copy: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], step: str, state: str, said: str
) -> None:
    """And what cannot be read keeps no other step from being looked at."""
    lay(copy, files)
    found = steps(copy, capsys)
    assert (found[step]["state"], said in found[step]["evidence"]) == (state, True), found[step]
    assert len(found) == 18 and found["week"]["state"] == "done"


@pytest.mark.parametrize(
    ("model", "said"), [("old", "and goes: every document"), ("candidate", "the index is another one")]
)
def test_chunks_that_a_swapped_model_makes_are_named(
    copy: Path, capsys: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    index = (
        copy / "config" / "index.yml"
    ).read_text() + f"summarise: {{model: {model}, prompt: 'Sum: {{{{ text }}}}'}}\n"
    lay(copy, {"config/index.yml": index})
    found = steps(copy, capsys)["chunks"]
    assert found["state"] == "open" and said in found["evidence"]


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sixty cases in the same words: the new model is slower, reads no cache and counts 30% more tokens."""

    def answering(asked: Received) -> Answer:
        name = asked.json["model"]
        is_new = name.startswith("m-")
        usage = {
            "prompt_tokens": 130 if is_new else 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 0 if is_new else 80},
        }
        said = PASS if name == "judge-1" else RIGHT
        return Answer({**openai_completion(said), "usage": usage}, delay_s=0.3 if is_new else 0.0)

    os.environ["PLANTED_KEY"] = "sk-planted-0123456789abcdef"
    root = tmp_path_factory.mktemp("swapped")
    with serving(answering) as server:
        lay_files(root, server.url)
        lay(root, {"prompts/triage.yml": "prompt: triage\nuser: 'About {{ message }}'\n"})
        head = (root / "cases" / "triage.yml").read_text().partition("cases:")[0]
        lay(root, {"cases/triage.yml": suite([case(f"c-{n}") for n in range(CASES)], head=head)})
        swapgate.run("cases/triage.yml", model="candidate", baseline="old", root=root)
    yield root


def test_what_has_accumulated_above_the_api_is_measured(
    swapped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = steps(swapped, capsys)
    assert found["compared"]["state"] == "done"
    assert found["latency"]["state"] == "open" and "(60 answers)" in found["latency"]["evidence"]
    assert found["cache"]["evidence"] == "80% of the input read from the provider's cache -> 0%"
    assert found["cache"]["state"] == "open"
    assert found["tokens"]["state"] == "open" and "+30% on 60 equal requests" in found["tokens"]["evidence"]
    assert found["prefix"]["evidence"] == "the same beginning for both models in 1 of 1 prompts"
    assert found["chunks"]["state"] == found["index"]["state"] == "not_applicable"
    assert steps(swapped, capsys, "--latency-budget", "10")["latency"]["state"] == "done"
    assert steps(swapped, capsys, "--latency-budget", "0.1")["latency"]["state"] == "open"
    # The other way round nothing is slower, and no token is more.
    back = steps(swapped, capsys, "--old", "candidate", "--new", "old")
    assert back["compared"]["state"] == "open" and back["latency"]["state"] == "done"


def test_nothing_is_called_or_made_in_an_empty_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, {"config/models.yml": "models: {a: {provider: recorded, path: a.jsonl}}\n"})
    before = sorted(tmp_path.rglob("*"))
    found = steps(tmp_path, capsys)
    assert sorted(tmp_path.rglob("*")) == before
    assert "which models? No stored run has a baseline" in found["compared"]["evidence"]
    assert main(["migrate", "plan", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("from which model to which is not known: name them, --old and")
    assert main(["migrate", "plan", "--root", str(tmp_path), "--new", "b"]) == 4
    assert "unknown model 'b'" in capsys.readouterr().err


def test_people_read_a_list_with_its_marks(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "plan", "--root", str(whole)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(
        "from old to candidate\n\nThe five rules\n  [x] Models are configuration, not code: "
    )
    assert "  [ ] Real traffic is mirrored: no config/shadow.yml\n      swapgate shadow serve" in told
    assert told.endswith("9 open, 3 could not be found out, 0 not applicable\n")


def test_the_exit_code_is_that_of_the_worst_step() -> None:
    def step(state: Any) -> Step:
        return Step(name="a", part="way", title="A", state=state, evidence="", todo="")

    assert exit_code([step("done"), step("not_applicable")]) == 0
    assert exit_code([step("done"), step("unknown")]) == 13
    assert exit_code([step("unknown"), step("open")]) == 1


def test_traffic_of_another_candidate_is_none_of_the_new_one_s(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(copy)
    found = steps(copy, capsys, "--new", "judge", "--old", "old")
    assert found["week"]["evidence"] == "nothing was mirrored to judge"
