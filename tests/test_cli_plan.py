"""`swapgate plan`: how many cases, what today's suite can show, what a run costs; without a call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from analysis_trials import answer, errored, trial
from swapgate.analysis.sizing import Sizing
from swapgate.cli import main
from swapgate.memory.history import HistoryWriter
from swapgate.records import ModelIdentity, Run, Stopping, Trial, adapter
from swapgate.stats import cases_for_power, detectable_drop, floor_cases, gate_power, intraclass_correlation
from workspaces import case, lay, suite

RUN = "20260101-100000-aaaaaa"
HEAD = 'suite: {name}\nprompt: {{user: "{{{{ message }}}}"}}\n'
MODELS = """\
models:
  cheap: {provider: http, base_url: "http://[::1]:1", model: m, price: {input: 10, output: 20}}
  dear: {provider: http, base_url: "http://[::1]:1", model: m, price: {input: 100, output: 200}}
  own: {provider: python, model: "app:answer"}
  judge-model: {provider: http, base_url: "http://[::1]:1", model: j, price: {input: 1, output: 2}}
"""
Said = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of 70 cases in two suites, and no run yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("SWAPGATE_MODEL", "SWAPGATE_REPEATS"):
        monkeypatch.delenv(name, raising=False)
    suites = {"one": range(40), "two": range(30)}
    files = {
        f"cases/{name}.yml": suite([case(f"c{n}") for n in numbers], head=HEAD.format(name=name))
        for name, numbers in suites.items()
    }
    lay(tmp_path, {**files, "config/models.yml": MODELS})
    return tmp_path


def store(root: Path, trials: Iterable[Trial], **fields: object) -> None:
    """Store a run of these trials under the id RUN."""
    trials = list(trials)
    run = Run(
        id=RUN,
        started_at="2026-01-01T10:00:00.000+00:00",
        finished_at="2026-01-01T10:00:00.000+00:00",
        models=tuple(
            ModelIdentity(name=name, provider="p", model=name) for name in {t.model: None for t in trials}
        ),
        planned=len(trials),
        is_complete=True,
    )
    writer = HistoryWriter(root / ".swapgate" / "history.db", replace(run, **fields))  # type: ignore[arg-type]
    for one in trials:
        writer.add(one)
    writer.finish(replace(run, **fields))  # type: ignore[arg-type]


def planned(capsys: Said, *arguments: str) -> str:
    assert main(["plan", *arguments]) == 0
    return capsys.readouterr().out


def document(capsys: Said, *arguments: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(planned(capsys, *arguments, "--json"))
    return loaded


def powers_of(
    margin: float,
    power: float,
    discordances: Sequence[float],
    *,
    trials: int,
    repeats: int = 1,
    deff: float = 1.0,
    icc: float = 0.0,
    clusters: int | None = None,
) -> list[dict[str, Any]]:
    """Return what the statistics say of a plan, in the words of the command."""
    found = []
    for share in discordances:
        size = 1 if clusters is None else trials / clusters
        needed = cases_for_power(margin=margin, discordance=share, power=power, cluster_size=size, icc=icc)
        shape: dict[str, Any] = {"discordance": share, "margin": margin, "deff": deff, "clusters": clusters}
        drop = detectable_drop(trials, power=power, **shape)
        found.append(
            {
                "discordance": share,
                "needed_cases": ceil(needed.cases / repeats) if needed else None,
                "needed_clusters": needed.clusters if needed else None,
                "passes": gate_power(trials, difference=0.0, **shape).passes,
                "worse": drop.worse,
                "fails": drop.fails,
            }
        )
    return found


# Without a run


def test_without_a_run_the_suites_give_the_shape_and_nothing_is_made(root: Path, capsys: Said) -> None:
    said = planned(capsys)
    assert said.startswith(
        "today: 70 cases\n"
        f"a margin of 5 points takes at least {floor_cases(0.05)} independent cases; "
        "equal models pass with a chance of 80% from:\n"
    )
    assert "the baseline, " not in said
    assert not (root / ".swapgate").exists() and not (root / "reports").exists()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("margin", "power"), [(0.05, 0.8), (0.03, 0.9), (0.2, 0.5)])
def test_numbers_are_those_of_the_statistics(capsys: Said, margin: float, power: float) -> None:
    written = document(capsys, "--margin", str(margin), "--power", str(power))
    assert (written["margin"], written["power"], written["floor"]) == (margin, power, floor_cases(margin))
    assert written["powers"] == powers_of(margin, power, (0.04, 0.10, 0.20), trials=70)
    assert (written["rate"], written["noise"]) == (None, None)


@pytest.mark.usefixtures("root")
def test_table_shows_what_the_json_holds(capsys: Said) -> None:
    lines = planned(capsys, "--margin", "0.1").splitlines()
    (row,) = [line for line in lines if line.startswith("10.0%")]
    ten = document(capsys, "--margin", "0.1", "--discordance", "0.1")["powers"][0]
    assert re.split(r"\s{2,}", row) == [
        "10.0%",
        f"{ten['needed_cases']:,}",
        f"{ten['needed_clusters']:,}",
        f"{ten['passes'] * 100:.1f}%",
        f"{ten['worse'] * 100:.1f} points",
        f"{ten['fails'] * 100:.1f} points",
    ]


@pytest.mark.usefixtures("root")
def test_discordances_are_planned_in_the_order_given(capsys: Said) -> None:
    written = document(capsys, "--discordance", "0.3", "--discordance", "0.05")
    assert [power["discordance"] for power in written["powers"]] == [0.3, 0.05]
    assert written["powers"][0]["needed_cases"] > written["powers"][1]["needed_cases"]


@pytest.mark.usefixtures("root")
def test_repeats_of_which_nothing_is_known_add_calls_and_no_evidence(capsys: Said) -> None:
    once, thrice = document(capsys), document(capsys, "--repeats", "3")
    assert (thrice["shape"]["repeats"], thrice["shape"]["deff"], thrice["shape"]["icc"]) == (3, 3, None)
    assert thrice["prices"][0]["calls"] == 3 * once["prices"][0]["calls"] == 210
    for power, alone in zip(thrice["powers"], once["powers"], strict=True):
        assert power["passes"] <= alone["passes"]
        assert power["needed_cases"] >= alone["needed_cases"]
    said = planned(capsys, "--repeats", "3")
    assert said.startswith("today: 70 cases, 3 repeats each: worth 70 independent trials\n")
    assert "they are taken to be all alike" in said


def test_repeats_of_the_settings_are_planned_with(root: Path, capsys: Said) -> None:
    lay(root, {"pyproject.toml": "[tool.swapgate]\nrepeats = 2\n"})
    assert document(capsys)["shape"]["repeats"] == 2
    assert document(capsys, "--repeats", "1")["shape"]["repeats"] == 1


def test_clusters_of_which_nothing_is_known_count_as_one_case_each(root: Path, capsys: Said) -> None:
    written = [case(f"c{n}", cluster=f"source-{n // 4}") for n in range(40)]
    lay(root, {"cases/one.yml": suite(written, head=HEAD.format(name="one")), "cases/two.yml": ""})
    (root / "cases" / "two.yml").unlink()
    said = planned(capsys)
    assert said.startswith("today: 40 cases in 10 clusters: worth 10 independent trials\n")
    found = document(capsys)
    assert found["shape"] == {"cases": 40, "clusters": 10, "repeats": 1, "icc": None, "deff": 4}
    assert found["powers"] == powers_of(0.05, 0.8, (0.04, 0.1, 0.2), trials=40, deff=4, icc=1.0, clusters=10)


# With a run


def test_stored_run_gives_its_rate_and_its_number_of_cases(root: Path, capsys: Said) -> None:
    store(root, [trial(f"c{n}", model="cheap", semantic=n % 10 > 0) for n in range(90)])
    said = planned(capsys, "--baseline", RUN)
    assert said.startswith(f"today: 90 cases\nthe baseline, cheap of run {RUN}, passes 90.0%\n")
    written = document(capsys, "--baseline", "latest")
    assert written["rate"] == pytest.approx(0.9)
    assert written["shape"] == {"cases": 90, "clusters": 90, "repeats": 1, "icc": 0, "deff": 1}
    assert written["powers"] == powers_of(0.05, 0.8, (0.04, 0.1, 0.2), trials=90)


def test_run_without_repeats_does_not_make_repeats_worth_cases(root: Path, capsys: Said) -> None:
    store(root, [trial(f"c{n}", model="cheap", semantic=n % 10 > 0) for n in range(90)])
    once, thrice = (document(capsys, "--baseline", RUN, "--repeats", k) for k in ("1", "3"))
    assert thrice["shape"]["deff"] == 3
    for power, alone in zip(thrice["powers"], once["powers"], strict=True):
        assert power["needed_cases"] >= alone["needed_cases"]


def test_repeats_of_the_run_say_how_alike_they_are_and_how_often_they_differ(
    root: Path, capsys: Said
) -> None:
    # Of every ten cases seven pass always, one never, and two by half.
    results = {0: (False, False), 1: (True, False), 2: (False, True)}
    trials = [
        trial(f"c{n}", model="cheap", semantic=results.get(n % 10, (True, True))[k], repeat=k + 1)
        for n in range(60)
        for k in range(2)
    ]
    store(root, trials)
    written = document(capsys, "--baseline", RUN)
    assert written["noise"] == pytest.approx(0.2)
    found = intraclass_correlation(
        [bool(t.semantic_passed) for t in trials], [f"s/{t.case}" for t in trials]
    ).between
    assert found is not None
    assert written["shape"]["icc"] == pytest.approx(found)
    assert written["shape"]["deff"] == pytest.approx(1 + found)
    assert written["powers"] == powers_of(
        0.05, 0.8, (0.04, 0.1, 0.2), trials=120, repeats=2, deff=1 + found, icc=found, clusters=60
    )
    said = planned(capsys, "--baseline", RUN)
    assert "two answers of the baseline to one case differ on 20.0% of the cases" in said
    assert "is not known" not in said


def test_run_that_stopped_early_is_planned_with_and_warned_of(root: Path, capsys: Said) -> None:
    stopped = Stopping(looks=10, seed=1, planned_cases=90, cases=40, saved_trials=50)
    store(root, [trial(f"c{n}", model="cheap") for n in range(40)], is_complete=False, stopping=stopped)
    assert main(["plan", "--baseline", RUN]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("today: 40 cases\n")
    assert f"warning: run {RUN} is not complete: it stopped early" in said.err


# Prices


def test_models_are_priced_by_the_tokens_of_the_run(root: Path, capsys: Said) -> None:
    # 100 tokens in and 20 out for the answer, 0.2 cents for the judge.
    store(root, [trial(f"c{n}", model="old", semantic=True) for n in range(80)])
    written = document(capsys, "--baseline", RUN, "--discordance", "0.1")
    prices = {price["name"]: price for price in written["prices"]}
    assert list(prices) == ["cheap", "dear", "own", "judge-model", "meaning (unknown model)"]
    assert prices["cheap"]["each_usd"] == pytest.approx((100 * 10 + 20 * 20) / 1e6)
    assert prices["dear"]["today_usd"] == pytest.approx(80 * (100 * 100 + 20 * 200) / 1e6)
    assert (prices["own"]["each_usd"], prices["own"]["today_usd"]) == (None, None)
    judge = prices["meaning (unknown model)"]
    assert (judge["role"], judge["calls"]) == ("judge", 80)
    assert judge["each_usd"] == pytest.approx(0.002)
    row = next(
        line
        for line in planned(capsys, "--baseline", RUN, "--discordance", "0.1").splitlines()
        if line.startswith("dear")
    )
    needed = written["powers"][0]["needed_cases"]
    assert row.split()[-1] == f"${needed * 0.014:.2f}"


def test_repeats_multiply_the_calls_and_the_money(root: Path, capsys: Said) -> None:
    store(root, [trial(f"c{n}", model="old", semantic=True) for n in range(80)])
    once, twice = (document(capsys, "--baseline", RUN, "--repeats", k)["prices"] for k in ("1", "2"))
    for price, alone in zip(twice, once, strict=True):
        assert price["calls"] == 2 * alone["calls"]
        assert price["each_usd"] == alone["each_usd"]
    assert twice[0]["today_usd"] == pytest.approx(2 * once[0]["today_usd"])


def test_judge_is_priced_for_the_share_of_answers_that_it_is_asked_about(root: Path, capsys: Said) -> None:
    judged = [trial(f"c{n}", model="old", semantic=True) for n in range(60)]
    broken = [trial(f"c{n}", model="old", structural=False) for n in range(60, 80)]
    store(root, [*judged, *broken])
    (judge,) = [p for p in document(capsys, "--baseline", RUN)["prices"] if p["role"] == "judge"]
    assert judge["calls"] == 60
    assert judge["each_usd"] == pytest.approx(0.002 * 60 / 80)
    assert judge["today_usd"] == pytest.approx(0.002 * 60)


def test_judge_of_the_suites_is_named_with_its_model_and_no_price_is_made_up(
    root: Path, capsys: Said
) -> None:
    judge = "judge: meaning\nmodel: judge-model\ncriteria: {good: {ask: Is it?}}\npass: good\n"
    head = HEAD.format(name="one") + "judges: [meaning]\n"
    lay(root, {"judges/meaning.yml": judge, "cases/one.yml": suite([case("c1")], head=head)})
    (price,) = [p for p in document(capsys)["prices"] if p["role"] == "judge"]
    assert (price["name"], price["each_usd"]) == ("meaning (judge-model)", None)
    assert "unknown" in planned(capsys)


def test_answers_without_a_price_of_the_judge_leave_it_unknown(root: Path, capsys: Said) -> None:
    trials = [trial(f"c{n}", model="old", semantic=True) for n in range(20)]
    sample = replace(trials[0].verdicts[0].samples[0], answer=answer("judge-model", cost_usd=None))
    free = replace(trials[0], verdicts=(replace(trials[0].verdicts[0], samples=(sample,)),))
    store(root, [free, *trials[1:]])
    (judge,) = [p for p in document(capsys, "--baseline", RUN)["prices"] if p["role"] == "judge"]
    assert (judge["calls"], judge["each_usd"]) == (20, None)


def test_run_that_answered_nothing_gives_a_shape_and_no_price(root: Path, capsys: Said) -> None:
    store(root, [errored(f"c{n}", model="old") for n in range(30)])
    written = document(capsys, "--baseline", RUN)
    assert (written["rate"], written["shape"]["cases"]) == (None, 30)
    assert {price["each_usd"] for price in written["prices"]} == {None}


@pytest.mark.usefixtures("root")
def test_named_models_alone_are_priced(capsys: Said) -> None:
    written = document(capsys, "--model", "dear", "--model", "cheap")
    assert [price["name"] for price in written["prices"]] == ["dear", "cheap"]


@pytest.mark.usefixtures("root")
def test_json_reads_back_as_the_plan(capsys: Said) -> None:
    written = document(capsys, "--discordance", "0.1")
    sizing = adapter(Sizing).validate_python(written)
    assert adapter(Sizing).dump_python(sizing, mode="json") == written


# Mistakes


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--margin", "0"], "Invalid value for '--margin'"),
        (["--power", "1"], "Invalid value for '--power'"),
        (["--discordance", "0"], "Invalid value for '--discordance'"),
        (["--repeats", "0"], "Invalid value for '--repeats'"),
        (["--model", "chaep"], "unknown model 'chaep'. Did you mean 'cheap'?"),
        (["--baseline", "nix"], "'nix' is neither "),
    ],
)
def test_mistake_is_one_sentence_and_exit_4(capsys: Said, arguments: Sequence[str], message: str) -> None:
    assert main(["plan", *arguments]) == 4
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and message in said.err


def test_run_of_several_models_asks_for_one_of_them(root: Path, capsys: Said) -> None:
    store(root, [trial(f"c{n}", model=model) for n in range(70) for model in ("a", "b")])
    assert main(["plan", "--baseline", RUN]) == 4
    assert f"name it, as a@{RUN}, b@{RUN}" in capsys.readouterr().err
    assert planned(capsys, "--baseline", f"b@{RUN}").startswith("today: 70 cases\n")


def test_workspace_without_cases_is_told_what_to_write(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 4
    said = capsys.readouterr().err
    assert "there is no case to plan with: write suites, or name a stored run with --baseline" in said
    assert list(tmp_path.iterdir()) == []


def test_mistake_in_a_suite_is_said_at_its_line(root: Path, capsys: Said) -> None:
    lay(root, {"cases/broken.yml": "suite: x\ncases:\n  - id: one\n    expectd: 3\n"})
    assert main(["plan"]) == 4
    assert "cases/broken.yml:4: unknown key 'expectd'" in capsys.readouterr().err
