"""`swapgate score`: recorded responses by the million, in parts that are made once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from processes import MARK, marked, wait_for
from servers import Answer, Received, openai_completion, serving
from swapgate.cli import main
from workspaces import JUDGE, JUDGED_SUITE, case, lay, suite

HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}, {enum: {pointer: /label, values: [billing, bug, other]}}, {expected: [/label]}]
"""
RIGHT, BLIND, BROKEN = '{"label": "billing"}', '{"label": "bug"}', "sorry"


def line(case_id: str, output: object = RIGHT, **more: object) -> str:
    return json.dumps({"case": case_id, "output": output, **more}) + "\n"


def lay_suite(root: Path, *, cases: int = 4, name: str = "triage") -> None:
    head = HEAD.replace("suite: triage", f"suite: {name}")
    lay(root, {f"cases/{name}.yml": suite([case(f"c{n}") for n in range(cases)], head=head)})


def score(root: Path, *arguments: str) -> int:
    return main(["score", *arguments, "--root", str(root), "--processes", "1"])


def scored(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> Any:
    assert score(root, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def result_lines(folder: str | Path) -> list[dict[str, Any]]:
    files = sorted(Path(folder, "results").glob("*.jsonl"))
    return [json.loads(text) for file in files for text in file.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_rates_findings_and_troubles_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_suite(tmp_path)
    lay(
        tmp_path,
        {
            "a.jsonl": line("c0")
            + line("c1", BLIND)
            + line("c2", BROKEN)
            + "\n{broken\n"
            + line("x9")
            + line("c3", {"label": "billing"}, model="other")
        },
    )
    said = scored(capsys, tmp_path, "a.jsonl")
    assert said["records"] == 6
    ours, other = said["scopes"]
    assert (ours["model"], ours["suite"], ours["responses"], ours["cases"]) == ("other", "triage", 1, 1)
    assert (other["model"], other["structural"]["passed"], other["structural"]["n"]) == ("recorded", 2, 3)
    assert (other["semantic"]["passed"], other["semantic"]["n"]) == (1, 3)
    assert (other["blind_pass"]["passed"], other["blind_pass"]["n"]) == (1, 2)
    assert said["unreadable"]["examples"][0].startswith("a.jsonl:5: not a recorded output: ")
    assert said["unknown"]["examples"] == ["a.jsonl:6: no case 'x9' in the suites."]
    by_case = {one["case"]: one for one in result_lines(said["folder"])}
    assert by_case["c0"] == {
        "place": "a.jsonl:1",
        "model": "recorded",
        "suite": "triage",
        "case": "c0",
        "repeat": 1,
        "structural": True,
        "semantic": True,
        "checks": {"finish": True, "json": True, "enum": True, "expected": True},
    }
    assert by_case["c1"]["findings"] == {"expected": ["/label is 'bug', expected 'billing'."]}
    checks = {check["check"]: (check["passed"], check["n"]) for check in said["checks"]}
    assert checks == {"finish": (4, 4), "json": (3, 4), "enum": (3, 4), "expected": (2, 4)}


def test_the_rates_are_those_of_a_run_with_the_recorded_provider(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path, cases=6)
    answers = [RIGHT, BLIND, BROKEN, RIGHT, RIGHT, BLIND]
    lay(pytester.path, {"a.jsonl": "".join(line(f"c{n}", a) for n, a in enumerate(answers))})
    pytester.runpytest_inprocess("--model=recorded:a.jsonl")
    summaries = json.loads((pytester.path / "reports/latest/report.json").read_text())["summaries"]
    capsys.readouterr()
    said = scored(capsys, pytester.path, "a.jsonl")["scopes"][0]
    for rate in ("structural", "semantic", "blind_pass"):
        assert [said[rate][key] for key in ("passed", "n", "rate")] == [
            summaries[0][rate][key] for key in ("passed", "n", "rate")
        ]
    for rate in ("structural", "semantic"):
        assert [said[rate][key] for key in ("low", "high")] == pytest.approx(
            [summaries[0][rate][key] for key in ("low", "high")]
        )


def test_a_response_that_is_there_twice_counts_once_wherever_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(tmp_path)
    lay(tmp_path, {"a.jsonl": line("c0") + line("c1"), "b.jsonl": line("c2") + line("c0", BLIND)})
    said = scored(capsys, tmp_path, "a.jsonl", "b.jsonl")
    (scope,) = said["scopes"]
    assert (scope["responses"], scope["semantic"]["passed"], scope["semantic"]["n"]) == (3, 3, 3)
    assert {check["check"]: check["n"] for check in said["checks"]}["expected"] == 3
    assert said["repeated"] == {
        "count": 1,
        "examples": ["b.jsonl:2: a second output of recorded for triage/c0, repeat 1"],
    }


def test_a_line_without_a_suite_answers_each_suite_that_has_its_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(tmp_path)
    lay_suite(tmp_path, name="other")
    lay(tmp_path, {"a.jsonl": line("c0") + line("c1", suite="other")})
    said = scored(capsys, tmp_path, "a.jsonl", "--model", "mine")
    assert [(s["model"], s["suite"], s["responses"]) for s in said["scopes"]] == [
        ("mine", "other", 2),
        ("mine", "triage", 1),
    ]
    assert scored(capsys, tmp_path, "a.jsonl", "--suite", "cases/triage.yml")["unknown"]["count"] == 1


def test_what_is_done_is_not_done_again_and_other_inputs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(tmp_path)
    lay(tmp_path, {"a.jsonl": line("c0"), "b.jsonl": line("c1")})
    first = scored(capsys, tmp_path, "a.jsonl", "b.jsonl", "--out", "out")
    (tmp_path / "out/parts/part-000001.json").unlink()
    before = (tmp_path / "out/results/part-000000.jsonl").stat().st_mtime_ns
    assert score(tmp_path, "a.jsonl", "b.jsonl", "--out", "out") == 0
    assert "1 of 2 parts were done before" in capsys.readouterr().out
    assert (tmp_path / "out/results/part-000000.jsonl").stat().st_mtime_ns == before
    assert scored(capsys, tmp_path, "a.jsonl", "b.jsonl", "--out", "out") == first
    lay(tmp_path, {"a.jsonl": line("c0") + line("c2")})
    assert score(tmp_path, "a.jsonl", "b.jsonl", "--out", "out") == 4
    assert "out holds the scores of other inputs: give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gone.jsonl"], "gone.jsonl: no file, no folder"),
        (["a.jsonl", "--suite", "cases/none.yml"], "--suite: no such file: cases/none.yml"),
        (["a.jsonl", "--ray", "nowhere"], "'ray' must be local, auto or the address of a cluster"),
    ],
)
def test_mistakes_are_one_message_and_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    lay_suite(tmp_path)
    lay(tmp_path, {"a.jsonl": line("c0")})
    assert score(tmp_path, *arguments) == 4
    assert told in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_a_check_of_the_users_that_raises_is_an_error_of_its_response(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = HEAD.replace("{json: strict}", '{python: {call: "scorecode:check"}}')
    lay(
        tmp_path,
        {
            "cases/triage.yml": suite([case("c0"), case("c1")], head=head),
            "scorecode.py": "def check(text):\n    return 'bug' not in text or 1 / 0\n",
            "a.jsonl": line("c0") + line("c1", BLIND),
        },
    )
    said = scored(capsys, tmp_path, "a.jsonl")
    (scope,) = said["scopes"]
    assert (scope["responses"], scope["errored"], scope["structural"]["n"]) == (2, 1, 1)
    assert "ZeroDivisionError" in result_lines(said["folder"])[1]["error"]


def test_judges_are_asked_once_and_say_what_a_run_with_them_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered: list[bytes] = []

    def judge(request: Received) -> Answer:
        answered.append(request.body)
        is_right = b'\\"bug\\"' not in request.body
        said = {"evidence": [], "reasoning": "So.", "agrees": "pass" if is_right else "fail"}
        return Answer(openai_completion(json.dumps(said)))

    with serving(judge) as server:
        asked = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "model": "j"}
        lay(
            tmp_path,
            {
                "cases/triage.yml": suite([case("c0"), case("c1"), case("c2")], head=JUDGED_SUITE),
                "judges/meaning.yml": JUDGE,
                "config/models.yml": json.dumps({"models": {"judge": asked}}),
                "a.jsonl": line("c0") + line("c1", BLIND) + line("c2", BROKEN) + line("c0", BLIND),
            },
        )
        said = scored(capsys, tmp_path, "a.jsonl", "--judges", "--out", "first")
        assert len(answered) == 2
        assert scored(capsys, tmp_path, "a.jsonl", "--judges", "--out", "again")["scopes"] == said["scopes"]
        assert len(answered) == 2
    (scope,) = said["scopes"]
    assert (scope["semantic"]["passed"], scope["semantic"]["n"], scope["errored"]) == (1, 3, 0)
    assert said["judge_cost_usd"] is None
    checks = {check["check"]: (check["passed"], check["n"]) for check in said["checks"]}
    assert checks["judge:meaning"] == (1, 2)
    assert said["repeated"]["count"] == 1
    assert score(tmp_path, "a.jsonl", "--judges", "--ray", "local") == 4
    assert "leave out --ray" in capsys.readouterr().err


def many(root: Path, count: int, *, cases: int = 50) -> None:
    lay_suite(root, cases=cases)
    with (root / "many.jsonl").open("w") as file:
        for number in range(count):
            output = BLIND if number % 7 == 0 else RIGHT
            file.write(line(f"c{number % cases}", output, repeat=number // cases + 1))


def test_a_killed_scoring_goes_on_where_it_was_and_counts_everything_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many(tmp_path, 40_000)
    command = [sys.executable, "-m", "swapgate", "score", "many.jsonl", "--out", "out", "--processes", "2"]
    process = subprocess.Popen(
        command, env={**with_package(), MARK: str(tmp_path)}, stdout=subprocess.DEVNULL
    )
    wait_for(lambda: len(list((tmp_path / "out/parts").glob("*.json"))) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: marked(tmp_path) == [])
    done = len(list((tmp_path / "out/parts").glob("*.json")))
    said = scored(capsys, tmp_path, "many.jsonl", "--out", "out")
    assert done < len(list((tmp_path / "out/parts").glob("*.json")))
    (scope,) = said["scopes"]
    assert (scope["responses"], scope["cases"], said["repeated"]["count"]) == (40_000, 50, 0)
    assert scope["semantic"]["passed"] == sum(n % 7 != 0 for n in range(40_000))
    places = [int(one["place"].partition(":")[2]) for one in result_lines(tmp_path / "out")]
    assert places == list(range(1, 40_001))


def with_package() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")}


def test_parquet_is_read_by_row_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    lay_suite(tmp_path)
    rows = [{"case": f"c{n}", "output": RIGHT if n else BLIND, "model": None} for n in range(4)]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=3)
    said = scored(capsys, tmp_path, "a.parquet")
    (scope,) = said["scopes"]
    assert (scope["responses"], scope["semantic"]["passed"]) == (4, 3)
    assert len(list(Path(said["folder"], "results").iterdir())) == 2
