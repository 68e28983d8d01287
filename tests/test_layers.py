"""Imports go down only, and only the rooms that face pytest import it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "evals" / "swapgate"

LAYER = {
    "errors": 0, "records": 0, "values": 0, "storable": 0, "facts": 0, "daemon": 0, "here": 0,
    "signals": 0, "listening": 0,
    "spec": 1, "stats": 1,
    "memory": 2, "checks": 2, "judging": 2, "providers": 2, "pins": 2,
    "engine": 3,
    "analysis": 4,
    "reporting": 5, "scoring": 5, "labelling": 5, "prompting": 5, "convert": 5, "shadow": 5, "retrieval": 5,
    "runs": 6, "migration": 6, "nightly": 6, "viewing": 6,
    "driving": 7, "plugin": 7, "cli": 7, "api": 7, "__init__": 7, "__main__": 7,
}  # fmt: skip
FACES_PYTEST = {"plugin", "driving"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def imported(path: Path) -> tuple[tuple[str, int], ...]:
    """Return each imported module with its line, also those inside functions; none for type checkers."""
    found: list[tuple[str, int]] = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.lineno))
    return tuple(found)


def test_every_room_has_a_layer() -> None:
    assert {room(path) for path in MODULES} == LAYER.keys()


@pytest.mark.parametrize("name", LAYER)
def test_modules_import_only_their_own_layer_and_those_below(name: str) -> None:
    for path in MODULES:
        for module, line in imported(path) if room(path) == name else ():
            parts = module.split(".")
            if parts[0] == "swapgate" and len(parts) > 1:
                assert LAYER[parts[1]] <= LAYER[name], f"{path}:{line} imports {module} from a higher layer"


def test_only_the_faces_import_pytest() -> None:
    for path in MODULES:
        roots = {module.split(".")[0] for module, _line in imported(path)}
        assert room(path) in FACES_PYTEST or not roots & {"pytest", "_pytest", "xdist"}, path


def test_statistics_do_no_input_or_output() -> None:
    for path in (PACKAGE / "stats").rglob("*.py"):
        roots = {module.split(".")[0] for module, _line in imported(path)}
        assert not roots & {"os", "pathlib", "sqlite3", "httpx", "asyncio", "subprocess", "json"}, path


def test_reporting_never_imports_the_engine() -> None:
    for path in (PACKAGE / "reporting").rglob("*.py"):
        assert not any(module.startswith("swapgate.engine") for module, _line in imported(path)), path
