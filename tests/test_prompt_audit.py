"""`swapgate prompt audit`: the demo's seven prompts, noise that names none, overrides tried without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swapgate.cli import main
from swapgate.facts import facts_of
from swapgate.prompting.auditing.cells import cells_of, fewest_cases
from swapgate.prompting.auditing.observed import Observation
from swapgate.prompting.auditing.shifts import Floors
from swapgate.records import Answer, CheckResult, Response, Trial
from workspaces import RIGHT, lay, recorded_workspace

DEMO = Path(__file__).parents[1] / "demo" / "four-workflows"
SEVEN = {
    "ticket_intent", "thread_summary", "release_note", "minutes", "rag_faq", "rag_policy", "test_cases",
}  # fmt: skip
FLOORS = Floors(rate=0.05, length=1.5)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the demo's workspace, in which models slip by another noise than there."""
    root = tmp_path_factory.mktemp("demo") / "four-workflows"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("reports", ".swapgate", "__pycache__"))
    models = root / "config" / "models.yml"
    models.write_text(models.read_text("utf-8").replace("noise: ", "noise: 1"), encoding="utf-8")
    return root


def audited(root: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = main(["prompt", "audit", "--root", str(root), "--json", *options])
    assert code == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_audit_of_the_base_prompts_finds_exactly_the_seven_and_how_they_fail(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audited(demo, "--models", "steady,twin,eager", "--bare", "--report", "none", capsys=capsys)
    assert set(found["differing"]) == SEVEN
    assert len({cell["prompt"] for cell in found["cells"]}) == 23
    eager = {cell["prompt"]: cell for cell in found["cells"] if cell["model"] == "eager"}
    assert {name for name, cell in eager.items() if cell["standing"] == "differs"} == SEVEN
    assert all(cell["standing"] == "not shown" for cell in found["cells"] if cell["model"] == "twin")
    assert set(eager["ticket_intent"]["kinds"]) >= {"format", "negative constraint"}
    assert "format" in eager["test_cases"]["kinds"]
    assert "negative constraint" not in eager["test_cases"]["kinds"]  # its prompt forbids nothing
    assert "verbosity" in eager["thread_summary"]["kinds"]
    assert "negative constraint" in eager["release_note"]["kinds"]
    example = next(e for e in eager["rag_policy"]["examples"] if e["kind"] == "negative constraint")
    assert example["instruction"] == "Never tell the customer to contact support."
    # No check limits the minutes: their length alone tells.
    moved = {s["measure"] for s in eager["minutes"]["shifts"] if s["is_material"]}
    assert moved == {"length"}


def test_overrides_are_tried_without_them_on_the_same_cases(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["thread_summary", "rag_faq", "ticket_area", "ticket_urgency"]
    found = audited(demo, *names, "--models", "steady,eager", capsys=capsys)
    keeps = {keep["prompt"]: keep for keep in found["keeps"]}
    assert {name: keep["answer"] for name, keep in keeps.items()} == {
        "thread_summary": "earns",
        "rag_faq": "earns",
        "ticket_area": "cannot tell",
        "ticket_urgency": "does not",
    }
    assert keeps["ticket_area"]["needed_cases"] > 24
    assert "the meaning is worse with it" in keeps["ticket_urgency"]["reason"]
    assert found["asked"] == 4 * 24 * 3
    for name in ("json", "md", "html"):
        assert (demo / "reports" / f"prompt-audit.{name}").is_file()
    code = main(["prompt", "audit", *names, "--models", "steady,eager", "--root", str(demo), "--strict"])
    assert code == 1
    told = capsys.readouterr().out
    assert "ticket_urgency, eager on eager: DOES NOT: the meaning is worse with it" in told
    assert told.splitlines()[-1] == "1 of 4 prompts differ materially from steady: 1 on eager"


def test_stored_runs_are_audited_without_a_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import swapgate

    answers = {name: {f"c{n}": RIGHT for n in range(12)} for name in ("old", "new", "idle")}
    answers["new"] = dict.fromkeys(answers["new"], f"Sure:\n{RIGHT}")
    recorded_workspace(tmp_path, answers)
    swapgate.run(model="new", baseline="old", root=tmp_path)
    for name in ("old", "new"):
        (tmp_path / "outputs" / f"{name}.jsonl").unlink()
    found = audited(tmp_path, "--models", "old,new", "--runs", "latest", "--report", "none", capsys=capsys)
    assert found["differing"] == ["triage"]
    (cell,) = [cell for cell in found["cells"] if cell["model"] == "new"]
    assert cell["kinds"] == {"format": 12}
    assert found["runs"]
    assert main(["prompt", "audit", "--models", "old,idle", "--runs", "latest", "--root", str(tmp_path)]) == 4
    assert "idle is in none of latest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "name them with --models"),
        (["--models", "old,old"], "names 'old' twice"),
        (["--models", "old,nwe"], "Did you mean 'new'?"),
        (["triaje", "--models", "old,new"], "Did you mean 'triage'?"),
        (["--models", "old", "--report", "xml"], "--report 'xml': wanted one of json, md, html, none"),
        (["--models", "old", "--live", "--replay"], "give one of them"),
        (["--models", "old", "--runs", "latest", "--bare"], "leave out --dry-run and --bare"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    recorded_workspace(tmp_path, {"old": {"a": RIGHT}, "new": {"a": RIGHT}})
    assert main(["prompt", "audit", "--root", str(tmp_path), *options]) == 4
    assert told in capsys.readouterr().err


def test_baseline_and_batches_of_the_settings_are_about_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_workspace(tmp_path, {"old": {"a": RIGHT}, "new": {"a": RIGHT}})
    lay(tmp_path, {"pyproject.toml": '[tool.swapgate]\nbaseline = "old"\nbatch = true\n'})
    found = audited(tmp_path, "--models", "new", "--report", "none", capsys=capsys)
    assert found["models"] == ["new"]
    assert found["asked"] == 1


def test_dry_run_calls_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_workspace(tmp_path, {"old": {"a": RIGHT}, "new": {"a": RIGHT}})
    assert main(["prompt", "audit", "--models", "old,new", "--dry-run", "--root", str(tmp_path)]) == 0
    assert "dry run: nothing was called. 2 trials would take:" in capsys.readouterr().out
    assert not (tmp_path / "reports").exists()


def test_models_without_answers_end_with_too_many_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_workspace(tmp_path, {"old": {"a": RIGHT, "b": RIGHT}, "new": {"a": RIGHT}})
    lay(tmp_path, {"prompts/unused.txt": "Hello {{ name }}"})
    assert main(["prompt", "audit", "--models", "old,new", "--root", str(tmp_path)]) == 11
    told = capsys.readouterr().out
    assert "note: 1 of 4 trials errored, the first: missing_recording" in told
    assert "left out: unused: no suite uses it" in told
    assert "?" in next(line for line in told.splitlines() if line.startswith("triage"))


def observed(
    prompts: int, *, cases: int, rates: Sequence[float], longer: float = 1.0, rng: np.random.Generator
) -> list[Observation]:
    """Return trials of a model that passes each prompt's cases at its rate, with texts of some length."""
    answer = Answer(response=Response(text="x"), model="m")
    check = CheckResult(check="json", kind="structural", passed=True)
    blank = facts_of(Trial(suite="", case="", model="m", answer=answer, checks=(check,)))
    found = []
    for prompt in range(prompts):
        for case in range(cases):
            facts = blank._replace(
                suite=f"s{prompt}",
                case=f"c{case}",
                cluster=f"s{prompt}/c{case}",
                prompt=f"p{prompt}",
                structural=bool(rng.random() < rates[prompt]),
            )
            chars = 1 + int(100 * longer * exp(rng.normal(0.0, 0.4)))
            found.append(Observation(facts=facts, chars=chars))
    return found


def test_noise_alone_names_a_prompt_in_at_most_one_audit_of_twenty() -> None:
    audits, named = 30, 0
    for seed in range(audits):
        rng = np.random.default_rng(seed)
        rates = rng.uniform(0.6, 1.0, size=6)
        arms = {name: observed(6, cases=20, rates=rates, rng=rng) for name in ("base", "other")}
        cells = cells_of(arms, base="base", floors=FLOORS)
        named += any(cell.standing == "differs" for cell in cells)
    assert named <= 5  # at most 1.5 of 30 are to be expected; more than 5 would come once in 300 times


def test_prompt_that_breaks_is_found_among_sound_ones_and_small_shifts_are_no_matter() -> None:
    rng = np.random.default_rng(1)
    base = observed(6, cases=300, rates=[0.95] * 6, rng=rng)
    other = observed(6, cases=300, rates=[0.95] * 5 + [0.6], longer=1.3, rng=rng)
    cells = cells_of({"base": base, "other": other}, base="base", floors=FLOORS)
    differing = [cell.prompt for cell in cells if cell.standing == "differs"]
    assert differing == ["p5"]
    # All are shown to be longer, by less than is worth a thought.
    lengths = [s for c in cells if c.model == "other" for s in c.shifts if s.measure == "length"]
    assert all(s.p_adjusted is not None and s.p_adjusted < 0.05 and not s.is_material for s in lengths)


def test_too_few_cases_are_said_to_be_too_few() -> None:
    assert fewest_cases(1) == 6
    assert fewest_cases(138) == 12
    rng = np.random.default_rng(2)
    arms = {
        name: observed(2, cases=5, rates=[rate, rate], rng=rng) for name, rate in (("a", 1.0), ("b", 0.0))
    }
    cells = cells_of(arms, base="a", floors=FLOORS)
    assert {cell.standing for cell in cells if cell.model == "b"} == {"too few"}
