"""Options, environment and pyproject resolved once into one frozen value."""

from __future__ import annotations

import datetime
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from swapgate.errors import SpecError, UsageError
from swapgate.spec.day import UTC_ZONE, zone_named
from swapgate.spec.problems import explain
from swapgate.spec.source import Document, read_text, shown_path, validate
from swapgate.spec.suite import OverallGateEntry, Written
from swapgate.spec.yaml_core import Place

CacheMode = Literal["auto", "live", "replay"]
# The quantile of a model's answering times after which a straggler is asked a second time.
Hedge = Literal["p90", "p95", "p99"]
# Whether annotations and a summary are written where GitHub Actions runs.
OnGitHub = Literal["auto", "off"]
# How often a run that may stop early looks at its results.
Looks: TypeAlias = int | Literal["every-case"]
MOST_LOOKS = 100
HISTORY_FILE = "history.db"
_DATABASES = {"postgresql", "postgres"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that steers a run. Paths are absolute.

    `history` is the path of an SQLite file, or the URL of a PostgreSQL database, which may hold a password.
    `webhook` is a URL that is a secret by itself.
    """

    root: Path
    models: tuple[str, ...] = ()
    baseline: str | None = None
    rejudge: bool = False
    cases_dirs: tuple[Path, ...] = ()
    judges_dir: Path = field(default=Path("judges"))
    prompts_dir: Path = field(default=Path("prompts"))
    models_file: Path = field(default=Path("config/models.yml"))
    reports_dir: Path = field(default=Path("reports"))
    state_dir: Path = field(default=Path(".swapgate"))
    history: Path | str = field(default=Path(".swapgate") / HISTORY_FILE, repr=False)
    repeats: int = 1
    concurrency: int = 16
    timeout_s: float = 120.0
    retries: int = 4
    hedge: Hedge | None = None
    cache: CacheMode = "auto"
    recordings: tuple[Path, ...] = ()
    code_ignore: tuple[Path, ...] = ()
    reports: tuple[str, ...] = ("json", "md", "html")
    report_url: str | None = None
    github: OnGitHub = "auto"
    gate: OverallGateEntry | None = None
    strict_plan: bool = False
    stop_early: bool = False
    looks: Looks = 10
    seed: int | None = None
    shard: tuple[int, int] | None = None
    rerun_errors: bool = False
    ray: str | None = None
    batch: bool = False
    batch_deadline_h: float = 24.0
    batch_poll_s: float = 5.0

    @property
    def is_batched(self) -> bool:
        """Whether batch APIs are asked: a replay asks nobody."""
        return self.batch and self.cache != "replay"

    max_cost: float | None = None
    max_cost_per_day: float | None = None
    budget_zone: str = UTC_ZONE
    dry_run: bool = False
    nightly: bool = False
    locked: bool = False
    watch: bool = False
    night_every_h: float = 24.0
    drift_since: str | None = None
    drift_false_alarms: float = 0.15
    webhook: str | None = field(default=None, repr=False)

    @property
    def formats(self) -> tuple[str, ...]:
        """The report formats to write; `none` is none."""
        return tuple(name for name in self.reports if name != "none")


def _countable(looks: Looks) -> Looks:
    if isinstance(looks, int) and not 2 <= looks <= MOST_LOOKS:
        raise ValueError(f"must be 2 to {MOST_LOOKS} planned looks, or 'every-case', got {looks}")
    return looks


def _share(shard: str) -> str:
    if not (found := re.fullmatch(r"(\d{1,4})/(\d{1,4})", shard)) or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"must be K/N, the K-th of N shards, such as 1/3, 2/3 and 3/3, got {shard!r}")
    return shard


def _address(ray: str) -> str:
    if ray not in {"local", "auto"} and not re.fullmatch(r".+:\d{1,5}", ray):
        raise ValueError(f"must be local, auto or the address of a cluster (host:port), got {ray!r}")
    return ray


def _place(history: str) -> str:
    scheme, separator, _rest = history.partition("://")
    if separator and scheme not in _DATABASES:
        # What was given may hold a password, and is not shown.
        raise ValueError("must be the path of a file, or a URL postgresql://USER@HOST:PORT/DATABASE")
    return history


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>\"'`|\\()\[\]]+", url):
        raise ValueError(
            f"must be the http(s) address of the reports, without spaces and brackets, got {url!r}"
        )
    return url


def _zone(zone: str) -> str:
    zone_named(zone)
    return zone


def _hook(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # What was given may be a secret, and is not shown.
        raise ValueError("must be a URL that begins with https:// or http:// and names a host")
    return url


class SettingsTable(Written):
    """The keys of `[tool.swapgate]`, of options and of `SWAPGATE_*` variables; paths start at the root."""

    model: str | tuple[str, ...] = ()
    baseline: str | None = None
    rejudge: bool = False
    cases: str | tuple[str, ...] = "cases"
    judges: str = "judges"
    prompts: str = "prompts"
    models: str = "config/models.yml"
    reports: str = "reports"
    state: str = ".swapgate"
    history: Annotated[str, Field(min_length=1), AfterValidator(_place)] | None = None
    repeats: Annotated[int, Field(ge=1)] = 1
    concurrency: Annotated[int, Field(ge=1)] = 16
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0)] = 4
    hedge: Hedge | None = None
    cache: CacheMode = "auto"
    recordings: str | tuple[str, ...] = ()
    code_ignore: str | tuple[str, ...] = ()
    report: str | tuple[str, ...] = ("json", "md", "html")
    report_url: Annotated[str, AfterValidator(_web_address)] | None = None
    github: OnGitHub = "auto"
    gate: OverallGateEntry | None = None
    strict_plan: bool = False
    stop_early: bool = False
    looks: Annotated[int | Literal["every-case"], AfterValidator(_countable)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    shard: Annotated[str, AfterValidator(_share)] | None = None
    rerun_errors: bool = False
    ray: Annotated[str, AfterValidator(_address)] | None = None
    batch: bool = False
    batch_deadline_h: Annotated[float, Field(gt=0)] = 24.0
    batch_poll_s: Annotated[float, Field(gt=0)] = 5.0
    max_cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    # What a database counts in millionths of a millionth has an end.
    max_cost_per_day: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    budget_zone: Annotated[str, AfterValidator(_zone)] = UTC_ZONE
    dry_run: bool = False
    nightly: bool = False
    locked: bool = False
    watch: bool = False
    night_every_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24.0
    drift_since: datetime.date | None = None
    drift_false_alarms: Annotated[float, Field(gt=0, le=12)] = 0.15
    webhook: Annotated[str, AfterValidator(_hook)] | None = None


def resolve_settings(root: Path, options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the settings of a workspace; raise UsageError for a wrong value, naming where it comes from.

    Command line (`options`; None and empty lists count as not given) > `SWAPGATE_<NAME>` > `[tool.swapgate]`
    of the root's pyproject.toml > default. In the environment lists are parted by commas, paths by `:`
    (`;` on Windows), and a gate other than `every-case` is JSON.
    """
    root = root.absolute()
    chosen: dict[str, Any] = {}
    for layer in (_from_pyproject(root), _from_environment(environ), _from_options(options)):
        chosen |= {name: getattr(layer, name) for name in layer.model_fields_set}
    table = SettingsTable.model_construct(**chosen)
    return Settings(
        root=root,
        models=tuple(dict.fromkeys(_listed(table.model))),
        baseline=table.baseline,
        rejudge=table.rejudge,
        cases_dirs=_paths(root, table.cases),
        judges_dir=root / table.judges,
        prompts_dir=root / table.prompts,
        models_file=root / table.models,
        reports_dir=root / table.reports,
        state_dir=root / table.state,
        history=_history(root, table),
        repeats=table.repeats,
        concurrency=table.concurrency,
        timeout_s=table.timeout_s,
        retries=table.retries,
        hedge=table.hedge,
        cache=table.cache,
        recordings=_paths(root, table.recordings),
        code_ignore=_paths(root, table.code_ignore),
        reports=_listed(table.report),
        report_url=table.report_url,
        github=table.github,
        gate=table.gate,
        strict_plan=table.strict_plan,
        stop_early=table.stop_early,
        looks=table.looks,
        seed=table.seed,
        shard=_numbers(table.shard),
        rerun_errors=table.rerun_errors,
        ray=table.ray,
        batch=table.batch,
        batch_deadline_h=table.batch_deadline_h,
        batch_poll_s=table.batch_poll_s,
        max_cost=table.max_cost,
        max_cost_per_day=table.max_cost_per_day,
        budget_zone=table.budget_zone,
        dry_run=table.dry_run,
        nightly=table.nightly,
        locked=table.locked,
        watch=table.watch,
        night_every_h=table.night_every_h,
        drift_since=None if table.drift_since is None else table.drift_since.isoformat(),
        drift_false_alarms=table.drift_false_alarms,
        webhook=table.webhook,
    )


def _numbers(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    number, _, count = shard.partition("/")
    return int(number), int(count)


def _history(root: Path, table: SettingsTable) -> Path | str:
    if table.history is None:
        return root / table.state / HISTORY_FILE
    return table.history if "://" in table.history else root / table.history


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _paths(root: Path, value: str | tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(root / path for path in _listed(value))


def _from_pyproject(root: Path) -> SettingsTable:
    path = root / "pyproject.toml"
    if not path.is_file():
        return SettingsTable()
    text = read_text(path, root=root)
    shown = shown_path(path, root)
    try:
        table = tomllib.loads(text).get("tool", {}).get("swapgate", {})
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"at line (\d+)", str(exc))
        raise SpecError(f"not valid TOML: {exc}", path=shown, line=int(line[1]) if line else None) from exc
    document = Document(path=path, data=table, place=_places(text), shown=shown)
    return validate(SettingsTable, document, noun="[tool.swapgate]")


def _places(text: str) -> Place:
    """Return the lines of the keys of [tool.swapgate], as far as they stand at a line's start."""
    keys: dict[str, Place] = {}
    header, start = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        if section := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            header = section[1]
            start = number if header == "tool.swapgate" else start
            if header.startswith("tool.swapgate."):
                keys.setdefault(header.split(".")[2], Place(number))
        elif header == "tool.swapgate" and (key := re.match(r"\s*[\"']?([\w-]+)", line)):
            keys.setdefault(key[1], Place(number))
    return Place(start, keys)


def _from_environment(environ: Mapping[str, str]) -> SettingsTable:
    names = {name: f"SWAPGATE_{name.upper()}" for name in SettingsTable.model_fields}
    given = {name: environ[variable] for name, variable in names.items() if environ.get(variable)}
    return _read_layer(
        {name: _parsed(name, text) for name, text in given.items()}, names, noun="the environment"
    )


def _parsed(name: str, text: str) -> Any:
    """Return the value of a variable: lists split, a gate's JSON read."""
    if name in {"model", "report"}:
        return [part.strip() for part in text.split(",") if part.strip()]
    if name in {"cases", "recordings", "code_ignore"}:
        return [part for part in text.split(os.pathsep) if part]
    return _gate(text) if name == "gate" else text


def _gate(text: str) -> Any:
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text
    except ValueError as exc:
        raise UsageError(f"gate {text!r} is not valid JSON: {exc}") from exc


def _from_options(options: Mapping[str, Any]) -> SettingsTable:
    given = {name: _plain(value) for name, value in options.items() if value not in (None, [], ())}
    if isinstance(given.get("gate"), str):
        given["gate"] = _gate(given["gate"])
    return _read_layer(given, {}, noun="the options")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _read_layer(given: Mapping[str, Any], names: Mapping[str, str], *, noun: str) -> SettingsTable:
    """Return a layer's values; the first wrong one is named as the user wrote it."""
    try:
        return SettingsTable.model_validate(dict(given))
    except ValidationError as exc:
        problem = explain(exc, SettingsTable, given, noun=noun)[0]
    key = problem.pointer.split("/")[1]
    if not problem.message.startswith(f"'{key}"):
        raise UsageError(problem.message)
    rest = problem.message.removeprefix(f"'{key}")
    raise UsageError(f"'{names[key]}{rest}" if key in names else f"option '{key}{rest}")
