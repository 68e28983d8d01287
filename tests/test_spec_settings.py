"""Settings: where each value comes from, and what is refused."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swapgate.errors import UsageError
from swapgate.spec.settings import Settings, resolve_settings
from swapgate.spec.suite import OverallGate


def resolve(
    root: Path,
    toml: str = "",
    options: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    if toml:
        (root / "pyproject.toml").write_text(toml)
    return resolve_settings(root, options or {}, environ or {})


def test_without_anything_the_defaults_hold_and_paths_start_at_the_root(tmp_path: Path) -> None:
    found = resolve(tmp_path)
    assert found.models == ()
    assert found.cases_dirs == (tmp_path / "cases",)
    assert found.models_file == tmp_path / "config" / "models.yml"
    assert found.state_dir == tmp_path / ".swapgate"
    assert (found.repeats, found.concurrency, found.cache) == (1, 16, "auto")
    assert found.reports == ("json", "md", "html")


def test_command_line_beats_environment_beats_pyproject(tmp_path: Path) -> None:
    toml = "[tool.swapgate]\nmodel = 'a'\nrepeats = 2\nretries = 2\nbaseline = 'x'\n"
    environ = {"SWAPGATE_REPEATS": "3", "SWAPGATE_RETRIES": "3"}
    found = resolve(tmp_path, toml, {"repeats": 4, "model": [], "baseline": None}, environ)
    assert (found.repeats, found.retries, found.models, found.baseline) == (4, 3, ("a",), "x")


def test_an_option_equal_to_the_default_still_beats_the_others(tmp_path: Path) -> None:
    assert resolve(tmp_path, "[tool.swapgate]\nrepeats = 2\n", {"repeats": 1}).repeats == 1


def test_lists_in_the_environment_are_parted_by_commas_and_path_separators(tmp_path: Path) -> None:
    environ = {
        "SWAPGATE_MODEL": "a, b,a",
        "SWAPGATE_REPORT": "json",
        "SWAPGATE_CASES": f"one{os.pathsep}/two",
        "SWAPGATE_OTHER": "ignored",
    }
    found = resolve(tmp_path, environ=environ)
    assert found.models == ("a", "b")
    assert found.reports == ("json",)
    assert found.cases_dirs == (tmp_path / "one", Path("/two"))


def test_options_take_paths_and_one_name_for_a_list(tmp_path: Path) -> None:
    options = {"recordings": [tmp_path / "r.jsonl"], "state": Path("here"), "model": "a"}
    found = resolve(tmp_path, options=options)
    assert found.recordings == (tmp_path / "r.jsonl",)
    assert found.state_dir == tmp_path / "here"
    assert found.models == ("a",)


@pytest.mark.parametrize(
    ("toml", "environ"),
    [
        ("[tool.swapgate.gate]\nmargin = 0.05\n", {}),
        ("", {"SWAPGATE_GATE": '{"margin": 0.05}'}),
        ("[tool.swapgate]\ngate = 'every-case'\n", {"SWAPGATE_GATE": '{"margin": 0.05}'}),
    ],
)
def test_a_gate_is_a_table_or_json_in_the_environment(
    tmp_path: Path, toml: str, environ: dict[str, str]
) -> None:
    assert resolve(tmp_path, toml, environ=environ).gate == OverallGate(margin=0.05)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "[project]\nname = 'x'\n[tool.swapgate]\nmodel = 'a'\nrepeets = 3\n",
            "pyproject.toml:5: unknown key 'repeets' in [tool.swapgate]. Did you mean 'repeats'?",
        ),
        (
            "[tool.swapgate]\ncache = 'liv'\n",
            "pyproject.toml:2: 'cache' must be 'auto', 'live' or 'replay', got 'liv'. Did you mean 'live'?",
        ),
        (
            "[tool.swapgate.gate.semantic]\nmin = 85\n",
            "pyproject.toml:1: 'gate.semantic.min' must be at most 1, got 85",
        ),
        ("[tool]\nswapgate = 3\n", "pyproject.toml:1: [tool.swapgate] must be a mapping, got 3"),
        (
            "[tool.swapgate]\nmodel = \n",
            "pyproject.toml:2: not valid TOML: Invalid value (at line 2, column 9)",
        ),
    ],
)
def test_a_mistake_in_pyproject_is_said_at_its_line(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(tmp_path, toml)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "environ", "message"),
    [
        ({}, {"SWAPGATE_REPEATS": "many"}, "'SWAPGATE_REPEATS' must be a whole number, got 'many'"),
        ({}, {"SWAPGATE_TIMEOUT_S": "0"}, "'SWAPGATE_TIMEOUT_S' must be more than 0, got '0'"),
        (
            {},
            {"SWAPGATE_GATE": '{"semantic": {"min": 2}}'},
            "'SWAPGATE_GATE.semantic.min' must be at most 1, got 2",
        ),
        ({"repeats": 0}, {}, "option 'repeats' must be at least 1, got 0"),
        ({"repeets": 1}, {}, "unknown key 'repeets' in the options. Did you mean 'repeats'?"),
        (
            {"gate": "every"},
            {},
            "option 'gate' must be 'every-case' or a mapping, got 'every'. Did you mean 'every-case'?",
        ),
    ],
)
def test_a_mistake_elsewhere_names_its_source(
    tmp_path: Path, options: dict[str, Any], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(tmp_path, options=options, environ=environ)
    assert str(caught.value) == message
