"""`--strict-plan` refuses before any call what can hardly be decided; and how looks and seed are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from servers import Answer, Received, Server, openai_completion, serving
from swapgate.errors import UsageError
from swapgate.spec.settings import Settings, resolve_settings
from workspaces import RIGHT, SUITE, case, lay, suite

Pytester = pytest.Pytester
MARGIN = {"margin": 0.05}
REFUSAL = "ERROR: --strict-plan: 12 cases * cannot pass a margin of 0.05: at least 59 are needed"
NO_CACHE = ("-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted")
    for name in ("SWAPGATE_MODEL", "SWAPGATE_STRICT_PLAN", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    def answer(_request: Received) -> Answer:
        return Answer(openai_completion(RIGHT))

    with serving(answer) as started:
        yield started


def lay_live(root: Path, url: str, *, cases: int = 12, gate: object = MARGIN, pyproject: str = "") -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    models = {name: {**shared, "model": name} for name in ("old", "new")}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n:02}") for n in range(cases)], head=SUITE, gate=gate),
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": pyproject or "[tool.swapgate]\n",
        },
    )


@pytest.mark.parametrize("place", ["option", "environment", "pyproject"])
def test_too_few_cases_are_refused_before_any_call(
    pytester: Pytester, server: Server, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    is_written = place == "pyproject"
    lay_live(
        pytester.path, server.url, pyproject="[tool.swapgate]\nstrict_plan = true\n" if is_written else ""
    )
    if place == "environment":
        monkeypatch.setenv("SWAPGATE_STRICT_PLAN", "1")
    more = ["--strict-plan"] if place == "option" else []
    result = pytester.runpytest("--model=new", "--baseline=old", *more, *NO_CACHE)
    assert result.ret == 4
    result.stderr.fnmatch_lines([REFUSAL])
    assert server.requests == []
    assert not (pytester.path / ".swapgate").exists() and not (pytester.path / "reports").exists()


def test_workers_refuse_as_one_process_does(pytester: Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    more = ("-n", "2", "--strict-plan", *NO_CACHE)
    result = pytester.runpytest("--model=new", "--baseline=old", *more)
    assert result.ret == 4
    result.stderr.fnmatch_lines([REFUSAL])
    assert "INTERNALERROR" not in result.stdout.str()
    assert server.requests == []
    assert not (pytester.path / "reports").exists()


def test_without_it_the_same_is_a_warning(pytester: Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    result = pytester.runpytest("--model=new", "--baseline=old", "--report=none", *NO_CACHE)
    assert result.ret == 10
    result.stdout.fnmatch_lines(
        ["swapgate: warning: 12 cases * cannot pass a margin of 0.05*", "warning: 12*"]
    )
    assert len(server.requests) == 24


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"semantic": {"min": 0.9}}, "12 cases cannot show a min 90%*"),
        ({"semantic": {"min": 1.0}}, "no number of cases can show a min 100%*"),
        (
            {"tags": {"hard": {"semantic": {"min": 0.9}}}, "structural": {"max": 0.01}},
            "*cannot show a max 1%*",
        ),
    ],
)
def test_rates_that_so_few_cases_cannot_show_are_refused_too(
    pytester: Pytester, server: Server, gate: object, words: str
) -> None:
    lay_live(pytester.path, server.url, gate=gate)
    result = pytester.runpytest("--model=new", "--strict-plan", *NO_CACHE)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --strict-plan: {words}"])
    assert server.requests == []


def test_enough_cases_run_as_ever(pytester: Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url, gate={"margin": 0.25})
    result = pytester.runpytest("--model=new", "--baseline=old", "--strict-plan", "--report=none", *NO_CACHE)
    assert result.ret == 0
    assert len(server.requests) == 24


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_selection_is_not_judged_and_so_not_refused(
    pytester: Pytester, server: Server, workers: tuple[str, ...]
) -> None:
    lay_live(pytester.path, server.url)
    more = ("--strict-plan", "--report=none", "-k", "case-03", *workers, *NO_CACHE)
    result = pytester.runpytest("--model=new", "--baseline=old", *more)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["gate not judged: partial selection"])
    assert len(server.requests) == 2


def test_listing_the_cases_is_not_refused(pytester: Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    result = pytester.runpytest("--model=new", "--baseline=old", "--strict-plan", "--collect-only", *NO_CACHE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*warning: 12 cases*", "*24 tests collected*"])


def test_broken_suite_is_said_before_the_plan(pytester: Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    lay(pytester.path, {"cases/broken.yml": "suite: x\ncases:\n  - id: one\n    expectd: 3\n"})
    result = pytester.runpytest("--model=new", "--baseline=old", "--strict-plan", *NO_CACHE)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*broken.yml:4: unknown key 'expectd'*"])


# Looks and seed


def resolved(
    root: Path, options: Mapping[str, object], environ: Mapping[str, str] = {}, toml: str = ""
) -> Settings:
    if toml:
        lay(root, {"pyproject.toml": f"[tool.swapgate]\n{toml}\n"})
    return resolve_settings(root, options, environ)


def test_by_default_no_run_stops_early_and_ten_looks_are_planned(tmp_path: Path) -> None:
    found = resolved(tmp_path, {})
    assert (found.stop_early, found.looks, found.seed, found.strict_plan) == (False, 10, None, False)


@pytest.mark.parametrize(("written", "looks"), [("2", 2), ("100", 100), ("every-case", "every-case")])
def test_looks_are_a_number_or_every_case_wherever_they_are_written(
    tmp_path: Path, written: str, looks: int | str
) -> None:
    assert resolved(tmp_path, {"looks": written}).looks == looks
    assert resolved(tmp_path, {}, {"SWAPGATE_LOOKS": written}).looks == looks
    assert resolved(tmp_path, {}, toml=f"looks = {json.dumps(looks)}").looks == looks


@pytest.mark.parametrize(
    ("options", "environ", "toml", "message"),
    [
        ({"looks": "1"}, {}, "", "option 'looks' must be 2 to 100 planned looks, or 'every-case', got 1"),
        ({"looks": "101"}, {}, "", "option 'looks' must be 2 to 100 planned looks, or 'every-case', got 101"),
        ({"looks": "often"}, {}, "", "option 'looks' must be a whole number or 'every-case', got 'often'"),
        ({"looks": "every"}, {}, "", "Did you mean 'every-case'?"),
        ({}, {"SWAPGATE_LOOKS": "0"}, "", "'SWAPGATE_LOOKS' must be 2 to 100 planned looks"),
        ({}, {}, "looks = 1", "pyproject.toml:2: 'looks' must be 2 to 100 planned looks"),
        ({"seed": -1}, {}, "", "option 'seed' must be at least 0, got -1"),
        ({"seed": 2**63}, {}, "", "option 'seed' must be less than"),
        ({}, {"SWAPGATE_SEED": "x"}, "", "'SWAPGATE_SEED' must be a whole number, got 'x'"),
        ({}, {"SWAPGATE_STOP_EARLY": "maybe"}, "", "'SWAPGATE_STOP_EARLY' must be true or false"),
        ({}, {}, "strict_plan = 'on'\nlooks = 3\nstrict = true", "pyproject.toml:4: unknown key 'strict'"),
    ],
)
def test_mistake_is_named_where_it_stands(
    tmp_path: Path, options: Mapping[str, object], environ: Mapping[str, str], toml: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(tmp_path, options, environ, toml)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--looks=1", "option 'looks' must be 2 to 100 planned looks, or 'every-case', got 1"),
        ("--looks=often", "option 'looks' must be a whole number or 'every-case', got 'often'"),
        ("--swapgate-seed=-3", "option 'seed' must be at least 0, got -3"),
    ],
)
def test_mistake_on_the_command_line_ends_with_4_before_any_call(
    pytester: Pytester, server: Server, option: str, words: str
) -> None:
    lay_live(pytester.path, server.url)
    result = pytester.runpytest("--model=new", "--stop-early", option, *NO_CACHE)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {words}"])
    assert server.requests == []
