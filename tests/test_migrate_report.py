"""`swapgate migrate report`: the actual cost of switching, from what a whole migration left behind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browsers import driven
from migrations import CASES, NEW_EACH, OLD_EACH, VERDICT_EACH, commit, lay_migration, yesterday
from swapgate.analysis.switching import ITEMS, SwitchCost, SwitchItem, switch_items
from swapgate.cli import main
from swapgate.errors import ErrorKind
from swapgate.memory.history import HistoryWriter
from swapgate.migration.eval_runs import eval_runs
from swapgate.migration.window import Window, span_of
from swapgate.records import Answer, ModelIdentity, Response, Run, Trial, TrialError
from swapgate.reporting.migration.cells import headline, row, unknown_lines
from swapgate.retrieval.ledger import read_bill
from swapgate.spec.settings import resolve_settings
from workspaces import lay

NAMED = ("--old", "old", "--new", "candidate")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migration with everything in it; nobody changes it."""
    root = tmp_path_factory.mktemp("migration") / "w"
    root.mkdir()
    lay_migration(root)
    return root


def told(root: Path, capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["migrate", "report", "--root", str(root), "--json", "--report", "none", *given]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def items(found: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in found["items"]}


def test_every_item_is_counted_from_its_records(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(whole, capsys, *NAMED, "--serving-per-day", "1.9")
    by_name = items(found)
    assert list(by_name) == list(ITEMS)
    assert all(one["did_happen"] for one in by_name.values())
    # Both answer alike, so that one verdict is for both.
    runs = CASES * (NEW_EACH + OLD_EACH + VERDICT_EACH)
    assert by_name["evals"]["usd"] == pytest.approx(runs)
    assert by_name["evals"]["time_s"] > 0
    assert by_name["shadow"]["usd"] == pytest.approx(12.4 + 0.6)
    assert 6 * 86_400 < by_name["shadow"]["time_s"] < 7 * 86_400
    assert by_name["prompts"]["told"] == ["2 commits, 1 file, +3 and -0 lines, 1 override added"]
    assert by_name["labels"]["told"] == ["8 labels by 2 people"]
    assert by_name["reindex"]["told"] == ["20 chunks written, 0 dead"]
    assert by_name["serving"]["usd"] == pytest.approx(1.9 * by_name["serving"]["time_s"] / 86_400)
    total = found["total"]
    assert total["usd"] == pytest.approx(runs + 13.0 + by_name["serving"]["usd"])
    assert total["is_at_least"] and total["work_usd"] is None


def test_what_is_not_known_is_null_and_never_0(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_name = items(told(whole, capsys, *NAMED))
    assert by_name["serving"]["usd"] is None
    assert by_name["serving"]["why_unknown"] == ["what a day of two indexes costs: --serving-per-day USD"]
    assert by_name["reindex"]["usd"] is None  # a machine of one's own sends no bill
    assert {one["hours"] for one in by_name.values()} == {None}


def test_hours_of_people_are_what_people_say(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [word for name in ITEMS for word in ("--hours", f"{name}=2")]
    found = told(whole, capsys, *NAMED, *given, "--usd-per-hour", "90", "--monthly", "40000")
    assert found["total"]["hours"] == 2 * len(ITEMS)
    assert found["total"]["work_usd"] == 180 * len(ITEMS)
    saving, pays = found["saving"], found["pays"]
    assert saving["usd_per_month"] == pytest.approx(40_000 * (OLD_EACH - NEW_EACH))
    assert pays["switching_usd"] == pytest.approx(found["total"]["total_usd"])
    assert pays["months"] == pytest.approx(found["total"]["total_usd"] / saving["usd_per_month"])


def test_time_and_models_narrow_it(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = items(told(whole, capsys, "--until", yesterday()))
    assert not before["evals"]["did_happen"] and not before["prompts"]["did_happen"]
    assert before["shadow"]["did_happen"]
    judge = items(told(whole, capsys, "--new", "judge"))
    assert not judge["evals"]["did_happen"] and not judge["shadow"]["did_happen"]
    between = items(told(whole, capsys, "--range", "HEAD~1..HEAD"))
    assert between["prompts"]["told"] == ["1 commit, 1 file, +1 and -0 lines, 1 override added"]


def test_nothing_is_there_before_anything_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    lay(tmp_path, {"config/models.yml": "models: {a: {provider: recorded, path: a.jsonl}}\n"})
    found = told(tmp_path, capsys)
    assert not any(one["did_happen"] for one in found["items"])
    assert all(one["why_unknown"] for one in found["items"])
    assert found["began"] is None
    assert not (tmp_path / ".swapgate").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--hours", "prompt=3"], "no such item. Did you mean 'prompts'? Items: evals, suite, prompts"),
        (["--hours", "prompts=many"], "wanted a number of hours, as in prompts=12"),
        (["--hours", "prompts=-1"], "wanted a number of hours"),
        (["--since", "soon"], "--since 'soon' is no time"),
        (["--range", "nowhere..HEAD"], "git knows no such range here: write A..B"),
        (["--new", "candidat"], "Did you mean 'candidate'?"),
        (["--report", "pdf"], "wanted one of json, md, html"),
    ],
)
def test_mistakes_are_told(
    whole: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    assert main(["migrate", "report", "--root", str(whole), *given]) == 4
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_the_page_is_readable_at_both_widths(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "w")
    assert main(["migrate", "report", "--root", str(tmp_path / "w"), *NAMED, "--monthly", "40000"]) == 0
    printed = capsys.readouterr().out
    assert "Shadow deployment" in printed and "not known: Two indexes side by side" in printed
    text = (tmp_path / "w" / "reports" / "migration" / "cost.md").read_text(encoding="utf-8")
    assert text.startswith("## The actual cost of switching\n")
    page = tmp_path / "w" / "reports" / "migration" / "cost.html"
    with driven() as browser:
        for width in (1200, 390):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.goto(page.as_uri())
            assert tab.locator(".bill tbody tr").count() == len(ITEMS)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_price_that_goes_by_the_hour_is_told(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "w")
    file = tmp_path / "w" / "config" / "models.yml"
    models = json.loads(file.read_text(encoding="utf-8"))["models"]
    models["candidate"] = {"provider": "deepseek", "model": "deepseek-v4-pro"}
    file.write_text(json.dumps({"models": models}), encoding="utf-8")
    assert main(["migrate", "report", "--root", str(tmp_path / "w"), *NAMED, "--monthly", "40000"]) == 0
    assert "candidate costs more at certain hours, and is counted at the price of this one" in (
        capsys.readouterr().out
    )


def test_a_run_that_completes_another_and_a_merge_are_paid_for_once(tmp_path: Path) -> None:
    """What was taken over from the earlier run is in that one's bill, what was merged in its parts'."""
    place = tmp_path / ".swapgate" / "history.db"
    first = Run(
        id="20260101-000000-aaaaaa",
        started_at="2026-01-01T00:00:00.000+00:00",
        finished_at="2026-01-01T00:01:00.000+00:00",
        models=(ModelIdentity(name="m", provider="p", model="m"),),
        suites=("s",),
        planned=2,
    )
    second = replace(first, id="20260102-000000-bbbbbb", completes=first.id)
    merged = replace(first, id="20260103-000000-cccccc", merged=(first.id, second.id))
    answered = {
        name: Trial(
            suite="s",
            case=name,
            model="m",
            answer=Answer(response=Response(text=""), model="m", cost_usd=usd),
        )
        for name, usd in (("x", 0.25), ("y", 0.5))
    }
    failed = Trial(suite="s", case="y", model="m", error=TrialError(kind=ErrorKind.SERVER, message="down"))
    whole = list(answered.values())
    for run, trials in ((first, [answered["x"], failed]), (second, whole), (merged, whole)):
        writer = HistoryWriter(place, run)
        for trial in trials:
            writer.add(trial)
        writer.finish(run)
    found, _span = eval_runs(resolve_settings(tmp_path, {}, {}), Window(), [])
    assert found.usd == 0.75
    assert found.time_s == 120
    assert found.told == ("2 runs, 3 trials, every answer was at hand",)


def test_git_reads_paths_that_are_quoted_and_prompts_that_are_none(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "w"
    shutil.copytree(whole, root)
    lay(root, {"prompts/caf\u00e9\t.yml": "overrides: [no, mapping]\n", "prompts/broken.yml": "a: ["})
    commit(root, "Add odd prompts")
    assert "2 files" in items(told(root, capsys, "--range", "HEAD~1..HEAD"))["prompts"]["told"][0]


def test_a_ledger_remembers_what_reindexing_took(whole: Path) -> None:
    cost, written, dead = read_bill(whole / ".swapgate" / "reindex" / "docs.db")
    assert cost.is_known and cost.usd is None and cost.seconds > 0 and (written, dead) == (20, 0)


@given(st.lists(st.sampled_from(list(ITEMS)), unique=True), st.floats(0, 1e5), st.booleans())
def test_the_total_is_a_lower_bound_while_anything_is_unknown(
    known: list[str], usd: float, is_priced: bool
) -> None:
    found = [SwitchItem(name=name, usd=usd if name in known else None) for name in ITEMS]
    cost = SwitchCost(
        items=switch_items(found, dict.fromkeys(known, 1.0)), usd_per_hour=50.0 if is_priced else None
    )
    assert cost.usd == pytest.approx(usd * len(known))
    assert cost.is_at_least == (len(known) < len(ITEMS) or not is_priced)
    assert ("at least" in headline(cost)) == cost.is_at_least
    assert all("unknown" in row(item) for item in cost.items if item.name not in known)
    assert any("hours of people" in line for line in unknown_lines(cost)) == (len(known) < len(ITEMS))


def test_moments_of_other_zones_are_put_in_order() -> None:
    span = span_of(["2026-11-26T01:00:00+02:00", "2026-11-25T23:30:00+00:00", None])
    assert span.seconds == 1800
