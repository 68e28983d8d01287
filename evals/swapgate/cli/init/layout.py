"""What `swapgate init` would write: planned whole, so that a mistake leaves the folder untouched."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Literal

from swapgate.errors import SpecError, UsageError
from swapgate.values import Value

Done = Literal["wrote", "extended", "kept"]

_LAID: dict[str, str | None] = {
    "cases/example.yml": "cases/example.yml",
    "cases/schemas/example.json": "cases/schemas/example.json",
    "judges/example.yml": "judges/example.yml",
    "prompts/example.yml": "prompts/example.yml",
    "config/models.yml": "config/models.yml",
    "data/example-outputs.jsonl": "data/example-outputs.jsonl",
    "data/example-new-outputs.jsonl": "data/example-new-outputs.jsonl",
    "reports/.gitkeep": None,
    ".github/workflows/swapgate.yml": "workflow.yml",
}
_IGNORED = (".swapgate/", "reports/*", "!reports/.gitkeep")
_TABLE = """\
[tool.swapgate]
# Every option of `pytest --model=NAME` can be set here. With `model`, plain `pytest` runs the cases too.
cases = ["cases"]
"""
_OWN_MODEL_OPTION = re.compile(r"""addoption\(\s*["']--model["']""")
_NOT_SEARCHED = {"node_modules", "site-packages", "venv", "build", "dist"}


class Step(Value):
    """One file of the workspace and what is done to it; `content` is the whole file afterwards."""

    done: Done
    name: str
    content: bytes = b""


def plan(folder: Path, *, overwrite: bool) -> list[Step]:
    """Return what to write; raise UsageError when something in the folder is in the way."""
    laid = [_laid(folder, name, source, overwrite=overwrite) for name, source in _LAID.items()]
    return [*laid, _pyproject(folder), _gitignore(folder)]


def carry_out(folder: Path, steps: list[Step]) -> None:
    """Write the files that are to be written or extended."""
    for step in steps:
        if step.done == "kept":
            continue
        path = folder / step.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(step.content)
        except OSError as exc:
            raise UsageError(f"{path}: cannot be written: {exc.strerror}") from exc


def warnings_about(folder: Path) -> list[str]:
    """Return what in the repository will not go together with the workspace."""
    return [
        f"{conftest.relative_to(folder).as_posix()} defines an option --model of its own, and pytest refuses "
        "two. Rename it; or put `-p no:swapgate.plugin` into pytest's addopts, and run the cases with "
        "`pytest -p swapgate.plugin --confcutdir=cases --model=example`"
        for conftest in sorted(_conftests(folder))
        if _OWN_MODEL_OPTION.search(_read(conftest).decode(errors="replace"))
    ]


def _laid(folder: Path, name: str, source: str | None, *, overwrite: bool) -> Step:
    path = folder / name
    _require_free(folder, path)
    content = b"" if source is None else files("swapgate.cli").joinpath("init", "files", source).read_bytes()
    if path.exists() and not (overwrite and _read(path) != content):
        return Step(done="kept", name=name)
    return Step(done="wrote", name=name, content=content)


def _require_free(folder: Path, path: Path) -> None:
    """Refuse a file where a folder must be, and a folder where a file must be."""
    for parent in path.relative_to(folder).parents:
        if (folder / parent).exists() and not (folder / parent).is_dir():
            raise UsageError(
                f"{folder / parent} is a file; swapgate needs a folder there. Nothing was written"
            )
    if path.is_dir():
        raise UsageError(f"{path} is a folder; swapgate needs a file there. Nothing was written")


def _pyproject(folder: Path) -> Step:
    name = "pyproject.toml"
    path = folder / name
    if not path.exists():
        return Step(done="wrote", name=name, content=_TABLE.encode())
    _require_free(folder, path)
    old = _read(path)
    tool = _toml(old, path).get("tool")
    if isinstance(tool, dict) and "swapgate" in tool:
        return Step(done="kept", name=name)
    new = _extended(old, f"\n{_TABLE}" if old.strip() else _rootdir_here(folder) + _TABLE)
    _toml(new, path)
    return Step(done="extended", name=name, content=new)


def _rootdir_here(folder: Path) -> str:
    """Return the table that makes pytest take this folder for its root, unless it has settings of pytest."""
    others = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg")
    return "" if any((folder / name).exists() for name in others) else "[tool.pytest.ini_options]\n\n"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path}: cannot be read: {exc.strerror}. Nothing was written") from exc


def _toml(content: bytes, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        message = f"[tool.swapgate] cannot be added: {exc}. Mend the file and run again; nothing was written"
        raise SpecError(message, path=path) from exc


def _gitignore(folder: Path) -> Step:
    name = ".gitignore"
    path = folder / name
    _require_free(folder, path)
    old = _read(path) if path.exists() else b""
    present = {line.strip() for line in old.decode(errors="replace").splitlines()}
    missing = [line for line in _IGNORED if line not in present]
    if not missing:
        return Step(done="kept", name=name)
    content = _extended(old, "".join(f"{line}\n" for line in missing))
    return Step(done="extended" if path.exists() else "wrote", name=name, content=content)


def _extended(old: bytes, added: str) -> bytes:
    """Return the file with lines added at its end, with its own line ends; what is there stays as it is."""
    newline = b"\r\n" if b"\r\n" in old else b"\n"
    gap = b"" if not old or old.endswith(b"\n") else newline
    return old + gap + added.encode().replace(b"\n", newline)


def _conftests(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_SEARCHED]
        if "conftest.py" in names and (conftest := Path(parent, "conftest.py")).is_file():
            yield conftest
