"""`swapgate models update`: both pins are run, and only what passes the gate is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import swapgate
from servers import Answer, Received, openai_completion, serving
from swapgate.cli import main
from swapgate.cli.options import open_settings
from swapgate.errors import StoreError, UsageError
from swapgate.pins.catalogue import bundled
from swapgate.pins.lock import read_lock
from swapgate.pins.moving import Move, planned_move
from swapgate.runs.under_pytest import Ran
from swapgate.runs.updating import Updated, contest, moved_text, write_moved
from swapgate.spec.model_entries import AcceptUnpinned
from swapgate.spec.models import read_catalogue
from swapgate.spec.source import read_yaml
from workspaces import BLIND, RIGHT, SUITE, case, lay, newest_run, suite

Said = pytest.CaptureFixture[str]
OLD, NEW = "gpt-4.1-2025-04-14", "gpt-5.5-2026-04-23"
MODELS = f"""\
# Who answers what.
models:
  main:                   # the one in production
    provider: openai
    model: {OLD}   # since April
    params: {{max_tokens: 64}}
  spare: {{provider: openai, model: gpt-4.1-mini-2025-04-14}}
tasks:
  triage: {{model: main}}
"""
CASES = [case(f"c{i}") for i in range(12)]


@dataclass
class Service:
    """Answers as two pins of one service; of the new one the first `wrong` cases go wrong."""

    wrong: int = 0
    asked: list[str] = field(default_factory=list)
    offered: tuple[str, ...] = (OLD, NEW)

    def __call__(self, request: Received) -> Answer:
        if request.path.endswith("/models"):
            return Answer({"data": [{"id": one} for one in self.offered]})
        model, text = request.json["model"], request.json["messages"][-1]["content"]
        self.asked.append(model)
        is_wrong = model != OLD and int(text.rpartition("c")[2]) < self.wrong
        return Answer({**openai_completion(BLIND if is_wrong else RIGHT), "model": model})


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(swapgate.__file__).parents[1]))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-loopback")
    lay(
        tmp_path,
        {
            # A models file with both pins is not the locked one, and is run all the same.
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n[tool.swapgate]\nlocked = true\n",
            "config/models.yml": MODELS,
            "cases/triage.yml": suite(CASES, head=SUITE, gate={"margin": 0.5}),
            "cases/other.yml": suite(CASES, head=SUITE.replace("triage", "other"), gate={"margin": 0.5}),
        },
    )
    found = Service()
    with serving(found) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield found


def models() -> str:
    return Path("config/models.yml").read_text(encoding="utf-8")


def update(said: Said, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["models", "update", *arguments, "--json"])
    found: dict[str, Any] = json.loads(said.readouterr().out)
    return code, found


def test_a_pin_that_passes_is_written_with_its_lock_and_the_text(service: Service, capsys: Said) -> None:
    code, found = update(capsys, "triage", "--to", NEW, "--why", "it reasons better")
    assert (code, found["answer"], found["keys"]) == (0, "moved", ["models", "main"])
    assert models() == MODELS.replace(OLD, NEW)
    assert found["suites"] == ["triage"]
    assert set(service.asked) == {OLD, NEW}
    lock = read_lock(Path("config/models.lock"))
    assert lock is not None
    assert (lock.models["main"].model, lock.models["main"].served) == (NEW, (NEW,))
    assert lock.models["main"].run == found["run"] == newest_run(Path())[0].id
    assert list(lock.tasks["triage"].prompts) == ["triage"]
    text = Path(found["written"]["text"]).read_text(encoding="utf-8")
    assert text == found["pull_request"]
    assert f"# triage: {OLD} to {NEW}\n" in text
    assert "- Why: it reasons better\n- Gate: **pass**: " in text
    assert "| list price in / out per million tokens | $ 2 / 8 | $ 5 / 30 |" in text
    assert "| semantic |" in text  # the run's own report follows
    assert not list(Path(".swapgate/update").glob("*"))
    assert main(["models", "check"]) == 0
    assert swapgate.run("cases/triage.yml", model="main", locked=True).gate.answer != "fail"


def test_a_pin_that_fails_changes_nothing(service: Service, capsys: Said) -> None:
    service.wrong = 12
    assert main(["models", "lock"]) == 0
    locked = Path("config/models.lock").read_bytes()
    assert main(["models", "update", "triage", "--to", NEW]) == 1
    said = capsys.readouterr().out
    assert "failed: semantic pass rate of main minus that of" in said
    assert f"update: FAILED: main stays {OLD}; nothing is written" in said
    assert models() == MODELS
    assert Path("config/models.lock").read_bytes() == locked


def test_dry_run_calls_and_writes_nothing(service: Service, capsys: Said) -> None:
    assert main(["models", "update", "main", "--to", NEW, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"would write models/main/model: {NEW}" in said
    assert "24 trials would take:" in said
    assert service.asked == []
    assert sorted(path.name for path in Path().iterdir() if path.name != ".swapgate") == [
        "cases", "config", "pyproject.toml",
    ]  # fmt: skip
    found = update(capsys, "main", "--to", NEW, "--dry-run")[1]
    assert found["forecast"]["total"]["calls"] == 24


def test_an_id_of_a_gateway_is_not_proposed_in_its_own_place(service: Service, capsys: Said) -> None:
    file = Path("config/models.yml")
    file.write_text(models().replace("    model:", "    base_url: http://127.0.0.1:9/v1\n    model:", 1))
    assert main(["models", "update", "main", "--to", NEW, "--dry-run"]) == 4
    said = capsys.readouterr().err
    assert f"{NEW!r} is no pin but gateway alias" in said and "Did you mean" not in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("main", "--to", OLD), f"main is '{OLD}' already"),
        (("main", "--to", "claude-opus-5"), "'claude-opus-5' is an id of anthropic, and main of openai"),
        (("main", "--to", "anthropic:claude-opus-5"), "is an id of anthropic"),
        (("main", "--to", "gpt-audio-mini-2025-10-06"), "was to be retired on 2026-07-23"),
        (("main", "--to", "gpt-4o"), "is no pin but floating"),
        (("main", "--to", "gpt-4o", "--accept", "cheap"), "belong together"),
        (("main", "--to", "gpt-4o", "--accept", "cheap", "--until", "soon"), "'soon' is not a day"),
        (("main", "--to", "gpt-4o", "--accept", "cheap", "--until", "2020-01-01"), "is past"),
        (("main", "--to", NEW, "--accept", "cheap", "--until", "2099-01-01"), "is pinned"),
        (("main", "--to", "spare"), "'spare' is another model of models.yml: move a task to it"),
        (("main", "--to", "gpt-5.5-2026-04-32"), "does not list the id). Did you mean 'gpt-5.5-2026-04-23'?"),
        (("main", "--to", ""), "--to is empty"),
        (("mian", "--to", NEW), "Did you mean 'main'?"),
        (("openai:gpt-4o", "--to", NEW), "stands in no file"),
        (("main", "--to", NEW, "--suite", "cases/none.yml"), "does not exist"),
    ],
    ids=lambda value: " ".join(value[2:]) if isinstance(value, tuple) else "",
)
def test_what_is_no_update_is_refused_before_anything_is_asked(
    service: Service, capsys: Said, arguments: tuple[str, ...], told: str
) -> None:
    assert main(["models", "update", *arguments]) == 4
    assert told in capsys.readouterr().err
    assert (service.asked, models()) == ([], MODELS)


def test_a_judge_or_an_override_that_would_move_along_is_refused(service: Service, capsys: Said) -> None:
    judge = "judge: meaning\nmodel: main\ncriteria: {agrees: {ask: Does it?}}\npass: agrees\n"
    lay(
        Path(),
        {"judges/meaning.yml": judge, "cases/triage.yml": suite(CASES, head=f"{SUITE}judges: [meaning]\n")},
    )
    assert main(["models", "update", "triage", "--to", NEW]) == 4
    assert "main is also asked by the judge meaning" in capsys.readouterr().err
    prompt = 'prompt: triage\nuser: "{{ message }}"\noverrides: {main: {system: Be brief.}}\n'
    head = SUITE.replace('prompt: {user: "{{ message }}"}', "prompt: triage")
    lay(Path(), {"prompts/triage.yml": prompt, "cases/triage.yml": suite(CASES, head=head)})
    assert main(["models", "update", "triage", "--to", NEW]) == 4
    assert "the prompt 'triage' has an override for the name 'main'" in capsys.readouterr().err
    assert service.asked == []


def test_too_few_cases_change_nothing_also_where_the_gate_only_warns(service: Service, capsys: Said) -> None:
    gate = {"margin": 0.05, "inconclusive": "warn"}
    lay(Path(), {"cases/triage.yml": suite(CASES, head=SUITE, gate=gate)})
    code, found = update(capsys, "triage", "--to", NEW)
    assert (code, found["answer"], found["written"]) == (10, "inconclusive", {})
    assert "cases" in found["reasons"][0]
    assert models() == MODELS and not Path("config/models.lock").exists()
    assert len(service.asked) == 24


# Without running anything


def planned(name: str, to: str, *, accepted: AcceptUnpinned | None = None) -> Move:
    settings = open_settings(Path())
    catalogue, document = read_catalogue(settings.models_file), read_yaml(settings.models_file)
    return planned_move(
        catalogue, document, name, to, known=bundled(), today=date(2026, 11, 26), accepted=accepted
    )


@pytest.mark.usefixtures("service")
def test_an_accepted_id_is_written_with_its_reason(capsys: Said) -> None:
    accepted = AcceptUnpinned(reason="no dated id: yet", until=date(2099, 12, 31))
    move = planned("main", "gpt-4o", accepted=accepted)
    written = moved_text(move, MODELS, Path("models.yml"))
    assert 'accept_unpinned: {"reason": "no dated id: yet", "until": "2099-12-31"}' in written
    assert "# Who answers what." in written and "# since April" in written
    lay(Path(), {"config/models.yml": written})
    main(["models", "lint", "--no-code", "--json"])
    rules = {(one["subject"], one["severity"]) for one in json.loads(capsys.readouterr().out)["findings"]}
    assert ("main", "error") not in rules


@pytest.mark.usefixtures("service")
def test_a_task_is_moved_to_another_model_of_the_file() -> None:
    move = planned("triage", "spare")
    assert moved_text(move, MODELS, Path("models.yml")) == MODELS.replace("{model: main}", "{model: spare}")
    settings = open_settings(Path())
    with contest(move, read_yaml(settings.models_file), settings, []) as sides:
        assert (sides.candidate, sides.baseline, sides.paths) == ("spare", "main", ["cases/triage.yml"])


@pytest.mark.usefixtures("service")
def test_a_task_with_settings_of_its_own_keeps_them_on_both_sides() -> None:
    text = MODELS.replace("triage: {model: main}", "triage: {model: main, temperature: 0.5}")
    lay(Path(), {"config/models.yml": text})
    move, settings = planned("triage", "spare"), open_settings(Path())
    with contest(move, read_yaml(settings.models_file), settings, []) as sides:
        both = read_catalogue(sides.settings.models_file)
        new, old = both.resolve(sides.candidate), both.resolve(sides.baseline)
    assert (sides.candidate, new.model, new.params["temperature"]) == (
        "triage",
        "gpt-4.1-mini-2025-04-14",
        0.5,
    )
    assert (sides.baseline, old.model, old.params) == (OLD, OLD, {"max_tokens": 64, "temperature": 0.5})


@pytest.mark.usefixtures("service")
def test_a_model_that_is_called_as_its_id_gets_a_key_and_the_old_pin_another_name() -> None:
    text = f"models:\n  {OLD}: {{provider: openai}}  # ours\n"
    lay(Path(), {"config/models.yml": text})
    move, settings = planned(OLD, NEW), open_settings(Path())
    assert moved_text(move, text, Path("models.yml")) == text.replace("{", f"{{model: {NEW}, ")
    with contest(move, read_yaml(settings.models_file), settings, []) as sides:
        catalogue = read_catalogue(sides.settings.models_file)
        assert (sides.candidate, sides.baseline) == (OLD, f"{OLD}-before")
        assert (catalogue.resolve(OLD).model, catalogue.resolve(f"{OLD}-before").model) == (NEW, OLD)
        assert [suite.name for suite in sides.suites] == ["other", "triage"]


@pytest.mark.usefixtures("service")
def test_models_changed_meanwhile_stay_as_they_were_changed() -> None:
    move, changed = planned("triage", NEW), MODELS + "  more: {model: main}\n"
    lay(Path(), {"config/models.yml": changed})
    with pytest.raises(UsageError, match="it was changed while both pins were run"):
        write_moved(move, open_settings(Path()), MODELS.encode(), bundled(), today=date(2026, 11, 26))
    assert models() == changed and not Path("config/models.lock").exists()


@pytest.mark.usefixtures("service")
def test_a_lock_that_cannot_be_made_leaves_both_files() -> None:
    lay(Path(), {".swapgate/history.db": "no database"})
    with pytest.raises(StoreError):
        write_moved(
            planned("triage", NEW),
            open_settings(Path()),
            MODELS.encode(),
            bundled(),
            today=date(2026, 11, 26),
        )
    assert models() == MODELS and not Path("config/models.lock").exists()


def test_what_pytest_could_not_do_keeps_its_code() -> None:
    ran = Ran(code=4, run=None, gate=None)
    assert Updated(answer="could not find out", reasons=(), outcome=None, ran=ran).exit_code == 4
    assert (
        Updated(answer="could not find out", reasons=(), outcome=None, ran=replace(ran, code=0)).exit_code
        == 13
    )


@pytest.mark.usefixtures("service")
def test_a_task_with_its_own_pin_is_moved_in_a_file_of_tasks_alone() -> None:
    article = f"triage:\n  provider: openai\n  model: {OLD}  # pinned\n  max_tokens: 900\n"
    lay(Path(), {"config/models.yml": article})
    move, settings = planned("triage", NEW), open_settings(Path())
    with contest(move, read_yaml(settings.models_file), settings, []) as sides:
        both = read_catalogue(sides.settings.models_file)
        assert (sides.candidate, sides.baseline, sides.paths) == ("triage", OLD, ["cases/triage.yml"])
        assert both.resolve("triage").params == both.resolve(OLD).params == {"max_tokens": 900}
    lock = write_moved(move, settings, article.encode(), bundled(), today=date(2026, 11, 26))
    assert models() == article.replace(OLD, NEW)
    written = read_lock(lock)
    assert written is not None and written.models["triage"].model == NEW


def test_an_id_that_neither_catalogue_nor_provider_know_is_refused(service: Service, capsys: Said) -> None:
    assert main(["models", "update", "main", "--to", f"{OLD[:-2]}15"]) == 4
    assert "Nor does openai offer it now" in capsys.readouterr().err
    assert service.asked == []
