"""A session opened: options and settings resolved, pytest pointed at the cases; mistakes are usage errors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from swapgate.driving import trial_reports
from swapgate.driving.collect import TAGS, TagRegistry
from swapgate.driving.protocol import TrialProtocol
from swapgate.driving.session import SwapgateSession
from swapgate.driving.workers import WorkerHooks
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
    "dry_run",
    "concurrency",
    "ray",
    "cache",
    "recordings",
    "report",
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
    config.stash[TAGS] = TagRegistry()
    config.pluginmanager.register(trial_reports, "swapgate-trial-reports")
    session = SwapgateSession(config, workspace)
    config.pluginmanager.register(WorkerHooks(session), "swapgate-workers")
    if settings.shard is not None or settings.rerun_errors:
        from swapgate.driving.selecting import PartHooks

        config.pluginmanager.register(PartHooks(session), "swapgate-part")
    config.pluginmanager.register(TrialProtocol(config, session.runs_user_code), "swapgate-protocol")
    if settings.dry_run:
        from swapgate.driving.dry_run import DryRun

        config.pluginmanager.register(DryRun(config, workspace), "swapgate-dry-run")
    return session


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
