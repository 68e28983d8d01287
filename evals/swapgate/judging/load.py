"""Judges found by name and made ready, whatever their kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from swapgate.checks.options import OptionError
from swapgate.errors import UsageError, nearest
from swapgate.judging.code_judge import CodeJudge
from swapgate.judging.escalation import open_judge
from swapgate.judging.judge import Judge
from swapgate.judging.similarity import similarity_judge
from swapgate.judging.user_scores import python_judge
from swapgate.spec.extends import PREFIX, judge_files, library_files
from swapgate.spec.judge_kinds import PythonSpec, SimilaritySpec
from swapgate.spec.judges import JudgeHead, JudgeSpec
from swapgate.spec.pointers import pointer_of
from swapgate.spec.read_judges import read_judge
from swapgate.spec.source import read_yaml

AnyJudge: TypeAlias = Judge | CodeJudge


def load_judges(names: Iterable[str], *, judges_dir: Path, root: Path | None = None) -> dict[str, AnyJudge]:
    """Return the named judges, each from the file of its name in `judges_dir`.

    The user's functions are found from the workspace `root`, by default the folder above. Raises UsageError
    for a name without a file, SpecError for a file that is wrong.
    """
    files = judge_files(judges_dir)
    root = root or judges_dir.parent
    return {name: _load(name, files, judges_dir, root) for name in dict.fromkeys(names)}


def ready(spec: JudgeHead, *, root: Path, judges_dir: Path) -> AnyJudge:
    """Return the judge that a definition describes; OptionError at the key that cannot be used.

    SpecError where a calibration in `judges_dir` that it needs does not hold.
    """
    match spec:
        case SimilaritySpec():
            return similarity_judge(spec, root=root)
        case PythonSpec():
            return python_judge(spec, root=root)
        case JudgeSpec():
            return open_judge(spec, judges_dir=judges_dir)
    raise AssertionError(f"no such kind: {spec!r}")


def _load(name: str, files: Mapping[str, Path], judges_dir: Path, root: Path) -> AnyJudge:
    if name not in files:
        raise UsageError(unknown_judge(name, judges_dir))
    spec = read_judge(files[name])
    if spec.judge != name:
        message = f"the file is called {name!r} but its judge {spec.judge!r}; give both the same name"
        raise read_yaml(files[name]).error(message, pointer_of(["judge"]))
    try:
        return ready(spec, root=root, judges_dir=judges_dir)
    except OptionError as exc:
        raise read_yaml(files[name]).error(str(exc), pointer_of(exc.path)) from exc


def unknown_judge(name: str, judges_dir: Path) -> str:
    """Return the message for a name of which there is no judge."""
    files = judge_files(judges_dir)
    if name in library_files():
        own = name.removeprefix(PREFIX)
        return (
            f"the judge {name!r} is of the library and has no model: write {judges_dir.name}/{own}.yml with "
            f"`judge: {own}`, `extends: {name}` and `model:`, and name {own!r} here"
        )
    known = f"there are {', '.join(files)}." if files else "the directory has no judges."
    near = nearest(name, [*files, *library_files()])
    return f"unknown judge {name!r}: no {name}.yml in {judges_dir.name}/; {known}{near}"
