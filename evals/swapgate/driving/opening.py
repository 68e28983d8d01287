"""A session opened: options and settings resolved, pytest pointed at the cases; mistakes are usage errors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from swapgate.daemon import load_beside
from swapgate.driving import trial_reports
from swapgate.driving.announcing import Announcements
from swapgate.driving.closing import ClosingWords
from swapgate.driving.collect import TAGS, TagMarks
from swapgate.driving.ending import Ending
from swapgate.driving.interrupting import Interruptions
from swapgate.driving.protocol import TrialProtocol
from swapgate.driving.recording import Recording
from swapgate.driving.running import Running
from swapgate.driving.session import SwapgateSession
from swapgate.driving.workers import WorkerHooks, is_controller
from swapgate.engine.workspace import Workspace
from swapgate.errors import UsageError
from swapgate.plugin import holds_settings
from swapgate.reporting import check_formats
from swapgate.runs.parts import refuse_contradictions
from swapgate.spec.settings import resolve_settings

_OPTIONS = (
    "model",
    "baseline",
    "rejudge",
    "repeats",
    "strict_plan",
    "stop_early",
    "looks",
    "seed",
    "shard",
    "rerun_errors",
    "max_cost",
    "max_cost_per_day",
    "dry_run",
    "concurrency",
    "ray",
    "cache",
    "recordings",
    "report",
    "report_url",
    "github",
    "timeout_s",
    "retries",
    "hedge",
    "reports",
    "state",
    "history",
    "batch",
    "batch_deadline_h",
    "batch_poll_s",
    "nightly",
    "locked",
    "watch",
)


def open_session(config: pytest.Config) -> SwapgateSession:
    """Resolve the settings and point pytest at the cases; mistakes are usage errors."""
    given = {name: getattr(config.option, f"swapgate_{name}") for name in _OPTIONS}
    if given["cache"] is not None:
        given["cache"] = _one_mode(given["cache"])
    _refuse_nearer_workspace(config)
    try:
        settings = resolve_settings(
            config.rootpath, {k: v for k, v in given.items() if v is not None}, os.environ
        )
        refuse_contradictions(settings)
        workspace = Workspace(settings)
        for name, _role in workspace.roles():
            workspace.model(name)
        check_formats(settings.formats)
    except UsageError as exc:
        raise pytest.UsageError(str(exc)) from exc
    if config.option.swapgate_model and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = _cases_only(settings.cases_dirs)
    config.stash[TAGS] = TagMarks()
    if config.option.swapgate_watch and config.option.markexpr:
        # That no case has the tag is told in our words, also under --strict-markers.
        config.stash[TAGS].mark(config, config.option.markexpr)
    session = SwapgateSession(config, workspace)
    for name, hooks in _rooms(session).items():
        config.pluginmanager.register(hooks, f"swapgate-{name}")
    if _will_call(config, workspace):
        load_beside(_load_http, name="swapgate-http")
    return session


def _will_call(config: pytest.Config, workspace: Workspace) -> bool:
    """Whether this process will send requests for certain: nothing is stored that could be the answer."""
    from swapgate.memory.cache import CACHE_FILE
    from swapgate.providers.services import SERVICES

    settings = workspace.settings
    if config.option.collectonly or settings.dry_run or is_controller(config):
        return False
    if not any(workspace.model(name).provider in SERVICES for name, _role in workspace.roles()):
        return False
    is_empty = not settings.recordings and not (settings.state_dir / CACHE_FILE).is_file()
    return settings.cache == "live" or (settings.cache == "auto" and is_empty)


def _load_http() -> None:
    """Load the HTTP client beside the collecting of cases: reading certificates needs no turn of Python."""
    from swapgate.providers.http_client import load

    load()


def _rooms(session: SwapgateSession) -> dict[str, object]:
    """Return the session's other hooks by the name of their plugin."""
    config, settings = session.config, session.settings
    recording = session.recording = Recording(session)
    running = session.running = Running(session, recording)
    interruptions = session.interruptions = Interruptions(config)
    rooms: dict[str, object] = {
        "trial-reports": trial_reports,
        "announcements": Announcements(session),
        "recording": recording,
        "running": running,
        "ending": Ending(session),
        "closing": ClosingWords(session),
        "workers": WorkerHooks(session),
        "interruptions": interruptions,
        "protocol": TrialProtocol(config, lambda: session.runs_user_code),
    }
    if settings.shard is not None or settings.rerun_errors:
        from swapgate.driving.selecting import PartHooks

        rooms["part"] = PartHooks(session)
    if settings.dry_run:
        from swapgate.driving.dry_run import DryRun

        rooms["dry-run"] = DryRun(config, session.workspace)
    return rooms


def _one_mode(modes: Sequence[str]) -> str:
    if len(set(modes)) > 1:
        raise pytest.UsageError("--live calls always and --replay never: give one of them")
    return modes[0]


def _refuse_nearer_workspace(config: pytest.Config) -> None:
    """Refuse to run another workspace than the one that the user stands in."""
    folder, root = config.invocation_params.dir, config.rootpath
    while folder != root and folder.is_relative_to(root):
        if holds_settings(folder):
            raise pytest.UsageError(
                f"{folder / 'pyproject.toml'} holds [tool.swapgate], but pytest's rootdir is {root}. "
                "Add a table [tool.pytest.ini_options] to that file, or say --rootdir=."
            )
        folder = folder.parent


def _cases_only(folders: Sequence[Path]) -> list[str]:
    present = [str(folder) for folder in folders if folder.is_dir()]
    if not present:
        looked = ", ".join(str(folder) for folder in folders)
        raise pytest.UsageError(f"no cases: {looked} does not exist. `swapgate init` lays a workspace")
    return present
