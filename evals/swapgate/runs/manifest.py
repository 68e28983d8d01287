"""What a run is recorded with: everything that its results may depend on, and nothing secret."""

from __future__ import annotations

import functools
import os
import platform
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import swapgate
from swapgate.checks.schema_check import SchemaCheck
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.here import git_says
from swapgate.providers.credentials import REDACTED, scrub
from swapgate.providers.open import file_sha256
from swapgate.records import Json, ModelIdentity, Run, Shard
from swapgate.records.written import adapter
from swapgate.runs.locked import locked_ids
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Prompt, effective
from swapgate.spec.settings import Settings
from swapgate.spec.suite import GateEntry, OverallGateEntry
from swapgate.storable import whole
from swapgate.values import Value

# What may change an answer, its reading or its price without a word in the workspace.
_PACKAGES = (
    "pytest",
    "pydantic",
    "httpx",
    "aiohttp",
    "jinja2",
    "jsonschema",
    "genai-prices",
    "numpy",
    "scipy",
)
_LOCAL_PACKAGES = ("xllamacpp", "wordllama", "ray")
_SECRETIVE = r"(?:key|token|secret|passw|pwd|credential)"
_SECRET_OPTION = re.compile(rf"--?[\w-]*{_SECRETIVE}[\w-]*", re.IGNORECASE)
_SECRET_VALUE = re.compile(rf"([\w.-]*{_SECRETIVE}[\w.-]*=)[^&\s]+", re.IGNORECASE)
_USER_INFO = re.compile(r"(://[^/@\s:]*):[^/\s]*@")
_SHORTEST_SECRET = 6
# Detached checkouts, as those of CI, are named there.
_BRANCH_VARIABLES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BRANCH_NAME")


def manifest(
    workspace: Workspace,
    suites: Sequence[ReadySuite],
    specs: Mapping[str, ModelSpec],
    *,
    planned: int,
    command: Sequence[str] = (),
) -> Run:
    """Return the record of a run that begins now; `command` is what was typed."""
    settings = workspace.settings
    asked = (judge for suite in suites for case in suite.cases for judge in case.judges)
    judges = dict.fromkeys(name for judge in asked for name in workspace.models_of_judge(judge))
    roles = [name for name, _role in workspace.roles()]
    git = _git_state(settings.root)
    return Run(
        id=new_id(),
        started_at=now(),
        models=tuple(_identity(name, specs[name], settings.root) for name in roles),
        judges=tuple(_identity(name, specs[name], settings.root) for name in judges if name in specs),
        judge_hashes=judge_hashes(suites),
        baseline=workspace.baseline_model,
        repeats=settings.repeats,
        suites=tuple(suite.name for suite in suites),
        suite_hashes={suite.name: suite.loaded.content_hash for suite in suites},
        planned=planned,
        seed=workspace.seed,
        shard=Shard(number=settings.shard[0], count=settings.shard[1]) if settings.shard else None,
        git_commit=git.commit,
        git_dirty=git.is_dirty,
        git_branch=git.branch,
        prompt_hashes=_prompt_hashes(workspace, suites),
        schema_hashes=_schema_hashes(suites),
        locked=locked_ids(workspace, specs),
        platform=platform.platform(),
        command=without_secrets(command, os.environ),
        versions=_versions(),
        settings={
            "concurrency": settings.concurrency,
            "retries": settings.retries,
            "hedge": settings.hedge,
            "timeout_s": settings.timeout_s,
            "cache": settings.cache,
            "max_cost": settings.max_cost,
            "max_cost_per_day": settings.max_cost_per_day,
            **_gates(settings, suites),
            **{name: True for name in ("nightly", "locked", "watch") if getattr(settings, name)},
        },
    )


def without_secrets(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command line that may be stored: without passwords, keys, or what variables hold of them."""
    known = [
        value
        for name, value in environ.items()
        if re.search(_SECRETIVE, name, re.IGNORECASE) and len(value) >= _SHORTEST_SECRET
    ]
    told: list[str] = []
    for argument in arguments:
        follows = bool(told) and _SECRET_OPTION.fullmatch(told[-1]) is not None
        text = _USER_INFO.sub(rf"\1:{REDACTED}@", scrub(argument, known))
        told.append(
            REDACTED if follows and not text.startswith("-") else _SECRET_VALUE.sub(rf"\1{REDACTED}", text)
        )
    return tuple(whole(text) for text in told)


def _prompt_hashes(workspace: Workspace, suites: Sequence[ReadySuite]) -> dict[str, str]:
    """Return the hash of each suite's prompt as each model under test is asked by it."""
    names = [name for name, _role in workspace.roles()]
    prompts = {suite.name: suite.prompt or Prompt(prompt="") for suite in suites}
    return {
        f"{suite}/{name}": effective(prompt, workspace.model(name)).hash
        for suite, prompt in prompts.items()
        for name in names
    }


def _schema_hashes(suites: Sequence[ReadySuite]) -> dict[str, str]:
    """Return the hash of each schema that has a file of its own, with what it refers to."""
    return {
        f"{suite.name}/{check.schema.source}": check.schema.content_hash
        for suite in suites
        for case in suite.cases
        for check in case.checks
        if isinstance(check, SchemaCheck) and check.schema.source
    }


@functools.cache
def _versions() -> Mapping[str, str]:
    found = {"swapgate": swapgate.__version__, "python": platform.python_version()}
    for name in (*_PACKAGES, *_LOCAL_PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def new_id() -> str:
    """Return an id that no other run has; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def judge_hashes(suites: Iterable[ReadySuite]) -> dict[str, str]:
    """Return the definition hash of each judge of the suites."""
    return {j.spec.judge: j.definition_hash for suite in suites for case in suite.cases for j in case.judges}


def _gates(settings: Settings, suites: Iterable[ReadySuite]) -> dict[str, Json]:
    """Return the gates as they are written, by what will read them: what pydantic builds, it builds once."""
    own = adapter(GateEntry | None).dump_python
    return {
        "gate": adapter(OverallGateEntry | None).dump_python(settings.gate, exclude_none=True),
        "suite_gates": {suite.name: own(suite.loaded.suite.gate, exclude_none=True) for suite in suites},
    }


def _identity(name: str, spec: ModelSpec, root: Path) -> ModelIdentity:
    return ModelIdentity(
        name=name,
        provider=spec.provider,
        model=spec.model,
        base_url=spec.base_url,
        api_version=spec.api_version,
        params=spec.params,
        file_sha256=file_sha256(spec, root),
    )


class _Git(Value):
    """Where the workspace stands in git; all None outside of it. `is_dirty`: tracked files differ."""

    commit: str | None = None
    is_dirty: bool | None = None
    branch: str | None = None


def _git_state(root: Path) -> _Git:
    arguments = ("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    said = git_says(root, *arguments)
    if said is None:
        return _Git()
    lines = said.splitlines()
    told = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit, branch = told.get("branch.oid"), told.get("branch.head")
    return _Git(
        commit=None if commit == "(initial)" else commit,
        is_dirty=None if commit == "(initial)" else any(not line.startswith("#") for line in lines),
        branch=_branch_of_ci() if branch == "(detached)" else branch,
    )


def _branch_of_ci() -> str | None:
    return next((os.environ[name] for name in _BRANCH_VARIABLES if os.environ.get(name)), None)


def now() -> str:
    """Return the time as records write it: ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
