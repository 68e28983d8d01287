"""`swapgate models watch`: a floating model held against its own past, over a real service on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swapgate
from benchmarks.aliases import LIMIT, World, at, conclude, looks
from servers import Answer, Received, openai_completion, serving
from swapgate.analysis.alias_looks import behaviour, look_of
from swapgate.analysis.alias_watch import watch_report, watched
from swapgate.cli import main
from swapgate.nightly.reading import Wanted, read_nights
from swapgate.records import ModelIdentity, Response, ServedModel, ToolCall
from swapgate.reporting.words.aliases import watch_lines
from swapgate.spec.settings import Settings
from workspaces import SUITE, case, lay, newest_run, suite

Said = pytest.CaptureFixture[str]


# What of an answer is counted


def test_an_answer_is_counted_by_its_decisions_structure_wording_and_length() -> None:
    one = behaviour(Response(text='{"label": "bug", "sure": true, "why": "%s", "tags": ["a"]}' % ("x" * 40)))
    assert one.decisions == {"/label": '"bug"', "/sure": "true"}
    other = behaviour(
        Response(text='{"label": "bug", "sure": true, "why": "%s", "tags": ["a"]}' % ("y" * 40))
    )
    assert (other.decisions, other.shape, other.length) == (one.decisions, one.shape, one.length)
    assert other.text != one.text
    fenced = behaviour(Response(text='```json\n{"label": "bug"}\n```'))
    assert fenced.decisions == {"/label": '"bug"'} and fenced.shape.startswith("stop; fenced json")
    assert behaviour(Response(text=" Billing\n")).decisions == {"": "billing"}
    assert behaviour(Response(text="7")).decisions == {"": "7"}
    long = behaviour(Response(text="# Title\n\n- a **bold** point about what is longer than a decision"))
    assert (dict(long.decisions), long.shape) == ({}, "stop; text; list; heading; bold")
    call = behaviour(
        Response(text="", tool_calls=(ToolCall(name="find", arguments="{}"),), finish_reason="tool_calls")
    )
    assert "call find" in call.shape and call.length > 0
    assert behaviour(Response(text="[" * 100_000)).shape == "stop; text"


# Made looks


def test_quiet_looks_show_no_change() -> None:
    found = conclude(World(), 40, [7])
    assert (found.answer, found.reasons, found.looks, found.cases) == ("no change shown", (), 40, 15)


def test_false_alarms_keep_their_promise() -> None:
    """In 1,200 looks, of more than three years, at most half an alarm is to be expected."""
    worlds = (World(cases=6), World(cases=6, sticky=True))
    made = [conclude(world, 30, [11, i]) for world in worlds for i in range(20)]
    assert sum(one.since is not None for found in made for one in found.series) <= 2


def test_a_model_that_decides_otherwise_is_seen_at_once_and_dated() -> None:
    found = conclude(World(since=12, share=1.0), 13, [3])
    assert found.answer == "changed"
    (decision,) = [one for one in found.series if one.measure == "decision"]
    assert (decision.since, decision.is_changed) == (at(12), True)
    assert decision.effect is not None and decision.effect > 0.3
    assert len(decision.cases) == 5 and decision.cases[0][1] > 0.5


def test_what_has_changed_stays_told() -> None:
    assert conclude(World(since=12, share=1.0), 60, [3]).answer == "changed"


def test_some_changed_cases_add_up() -> None:
    found = conclude(World(since=20, share=0.34), 26, [5])
    (decision,) = [one for one in found.series if one.measure == "decision"]
    assert decision.is_changed
    told = {name for name, _far in decision.cases}
    assert told <= {f"s/c{i:02} h p" for i in range(6)}


def test_longer_answers_are_seen_and_a_little_longer_ones_are_no_alarm() -> None:
    (length,) = [s for s in conclude(World(since=20, longer=1.6), 24, [5]).series if s.measure == "length"]
    assert length.is_changed and length.effect == pytest.approx(0.6, abs=0.15)
    steady = World(since=15, longer=1.06, cases=30, repeats=8)
    (length,) = [s for s in conclude(steady, 30, [5]).series if s.measure == "length"]
    assert length.is_small and not length.is_changed


def test_another_served_id_is_a_change_and_another_fingerprint_is_none() -> None:
    made = looks(8, World(), np.random.default_rng(1))
    told = [ServedModel(model="m", ids=(f"m-{i // 5}",), fingerprints=(f"fp-{i // 3}",)) for i in range(8)]
    served = [replace(look, served=one) for look, one in zip(made, told, strict=True)]
    found = watched("m", served, at=at(7), every_h=24, false_alarms=LIMIT)
    assert found.answer == "changed"
    assert found.served is not None and (found.served.since, found.served.now) == (at(5), ("m-1",))
    assert found.fingerprints is not None and found.fingerprints.since == at(6)
    same = [replace(look, served=replace(one, ids=("m-0",))) for look, one in zip(made, told, strict=True)]
    assert watched("m", same, at=at(7), every_h=24, false_alarms=LIMIT).answer == "no change shown"


def test_what_cannot_be_found_out_is_said() -> None:
    made = looks(9, World(cases=4), np.random.default_rng(1))

    def reasons(chosen: Any, day: int = 8) -> str:
        found = watched("m", chosen, at=at(day), every_h=24, false_alarms=LIMIT)
        assert found.answer == "could not find out"
        return "; ".join(found.reasons)

    assert reasons([]) == "no look at it is stored"
    assert "3 of the 6 looks needed" in reasons(made[:3], 2)
    assert "4 of the 5 cases needed" in reasons(made)
    assert "no look since" in reasons(made, 12)
    broken = [*made[:-1], replace(made[-1], problem="it never ended")]
    assert "(run run-0008) does not count: it never ended" in reasons(broken)
    other = ModelIdentity(name="m", provider="openai", model="m")
    assert "begins anew" in reasons([*made[:6], *(replace(look, identity=other) for look in made[6:])])


def test_every_model_has_its_share_of_the_false_alarms() -> None:
    made = looks(8, World(), np.random.default_rng(1))
    one, two = (
        watch_report(dict.fromkeys(names, made), at=at(7), every_h=24, false_alarms=LIMIT)
        for names in (("a",), ("a", "b"))
    )
    assert two.models[0].series[0].threshold == pytest.approx(2 * one.models[0].series[0].threshold)
    assert list(watch_lines(two))[-2:] == [
        "at most 0.15 false alarms a year are to be expected, over 2 models",
        "no change shown",
    ]


def test_nothing_of_a_model_can_steer_a_terminal() -> None:
    made = [replace(look, answers={f"s/\x1b[2J{i} h p": own for i, own in enumerate(look.answers.values())})
            for look in looks(14, World(since=12, share=1.0), np.random.default_rng(3))]  # fmt: skip
    report = watch_report({"m\x1b": made}, at=at(13), every_h=24, false_alarms=LIMIT)
    assert report.answer == "changed"
    assert "\x1b" not in "".join(watch_lines(report, verbose=1))


# The command


@dataclass
class Service:
    """A service whose alias answers one label, and may begin to answer another one."""

    label: str = "billing"
    served: str = "alias-2026-04"
    asked: int = 0

    def __call__(self, request: Received) -> Answer:
        self.asked += 1
        return Answer({**openai_completion(json.dumps({"label": self.label})), "model": self.served})


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(swapgate.__file__).parents[1]))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-loopback")
    cases = [*(case(f"c{i}", tags=["canary"]) for i in range(6)), case("else")]
    lay(
        tmp_path,
        {
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n[tool.swapgate]\n",
            "config/models.yml": "models:\n  alias: {provider: openai, model: gpt-4o}\n"
            "  pinned: {provider: openai, model: gpt-5.5-2026-04-23}\ntasks: {triage: {model: alias}}\n",
            "cases/triage.yml": suite(cases, head=SUITE),
        },
    )
    found = Service()
    with serving(found) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield found


def look(root: Path) -> None:
    """Store a look as the command does, without a process of its own."""
    suites = root / "cases" / "triage.yml"
    swapgate.run(suites, model="alias", root=root, cache="live", repeats=3, watch=True)


def test_looks_are_stored_and_a_change_ends_with_12(service: Service, tmp_path: Path, capsys: Said) -> None:
    assert main(["models", "watch", "--json", "--repeats", "2"]) == 13
    told = json.loads(capsys.readouterr().out)
    assert service.asked == 12  # the tagged cases of what floats, and no others
    assert [one["model"] for one in told["models"]] == ["alias"]
    assert told["models"][0]["reasons"] == ["1 of the 6 looks needed"]
    run, trials = newest_run(tmp_path)
    assert (run.settings["watch"], run.is_partial, len(trials)) == (True, True, 12)
    for _ in range(6):
        look(tmp_path)
    capsys.readouterr()
    assert main(["models", "watch", "--stored"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no change shown"
    service.label, service.served = "bug", "alias-2026-11"
    look(tmp_path)
    assert main(["models", "watch", "--stored"]) == 12
    said = capsys.readouterr().out
    assert "  served as alias-2026-11 since " in said and ", before as alias-2026-04" in said
    assert "  decisions since " in said and ": 100.0% of the answers are others than before\n" in said
    assert "    most of all triage/c0 (100.0%), triage/c1 (100.0%)" in said
    assert "  the length of answers since " in said and ": -19%\n" in said
    assert said.splitlines()[-1].startswith("CHANGED: alias: served as alias-2026-11")
    assert main(["models", "watch", "--stored", "--since", "2099-01-01"]) == 13


def test_looks_are_no_nights(service: Service, tmp_path: Path) -> None:
    lay(tmp_path, {"cases/triage.yml": suite([case(f"c{i}", tags=["canary"]) for i in range(6)], head=SUITE)})
    look(tmp_path)
    settings = Settings(root=tmp_path, history=tmp_path / ".swapgate" / "history.db")
    assert read_nights(settings, Wanted(is_any=True)).nights == []
    run, trials = newest_run(tmp_path)
    stored = [replace(one, answer=replace(one.answer, from_cache=True)) for one in trials if one.answer]
    assert "came from the cache" in look_of(run, "alias", stored).problem


def test_no_tagged_case_and_no_floating_model_are_told(service: Service, capsys: Said) -> None:
    lay(Path(), {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--strict-markers'\n"})
    assert main(["models", "watch", "--tag", "canaries"]) == 13
    assert (
        "COULD NOT FIND OUT: no case has the tag 'canaries': write `tags: [canaries]`"
        in capsys.readouterr().out
    )
    lay(Path(), {"config/models.yml": "models: {pinned: {provider: openai, model: gpt-5.5-2026-04-23}}\n"})
    assert main(["models", "watch"]) == 4
    assert "no model of models.yml floats" in capsys.readouterr().err
    assert main(["models", "watch", "--model", "pined"]) == 4
    assert "Did you mean 'pinned'?" in capsys.readouterr().err
    assert service.asked == 0


def test_a_damaged_history_is_no_sign_that_all_is_well(
    service: Service, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / ".swapgate").mkdir()
    (tmp_path / ".swapgate" / "history.db").write_bytes(b"this is no database " * 100)
    assert main(["models", "watch", "--stored"]) == 13
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith(
        f"COULD NOT FIND OUT: {tmp_path}/.swapgate/history.db: the history cannot be used"
    )
    assert service.asked == 0


def test_a_task_is_watched_by_what_its_model_is_served_as(service: Service, tmp_path: Path) -> None:
    swapgate.run(model="triage", root=tmp_path, cache="live", watch=True)
    run, trials = newest_run(tmp_path)
    seen = look_of(run, "triage", trials)
    assert seen.served is not None and seen.served.ids == (service.served,)
