"""The pytest plugin: options, and the one question whether this session has anything to do with swapgate.

Imports the standard library and pytest only: a repository that does not use swapgate pays nothing for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from swapgate.driving.session import SwapgateSession

SESSION: pytest.StashKey[SwapgateSession] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; each is also a key of [tool.swapgate] and a variable SWAPGATE_*."""
    group = parser.getgroup("swapgate", "swapgate: evaluate and gate language models")
    add = group.addoption
    add(
        "--model",
        dest="swapgate_model",
        action="append",
        metavar="NAME",
        help="model under test: a name of config/models.yml or provider:model; repeat for several",
    )
    add(
        "--baseline",
        dest="swapgate_baseline",
        metavar="NAME",
        help="compare with a model (run beside), a stored run, `latest`, a promoted @NAME, or a file of one",
    )
    add(
        "--rejudge",
        dest="swapgate_rejudge",
        action="store_const",
        const=True,
        help="with a stored --baseline by another judge: judge its answers again, paying for the judge alone",
    )
    add("--repeats", dest="swapgate_repeats", type=int, metavar="K", help="trials of each case (default 1)")
    add(
        "--strict-plan",
        dest="swapgate_strict_plan",
        action="store_const",
        const=True,
        help="refuse to run what can hardly be decided (too few cases) instead of warning",
    )
    add(
        "--stop-early",
        dest="swapgate_stop_early",
        action="store_const",
        const=True,
        help="stop calling once the gate is decided; the cases come in random order",
    )
    add(
        "--looks",
        dest="swapgate_looks",
        metavar="N",
        help="with --stop-early: how many planned looks at the results (default 10), or every-case",
    )
    add(
        "--shard",
        dest="swapgate_shard",
        metavar="K/N",
        help="run the K-th of N shares of the selected cases; `swapgate merge` makes one run of the shards",
    )
    add(
        "--rerun-errors",
        dest="swapgate_rerun_errors",
        action="store_const",
        const=True,
        help="run only what has no result in the last run of these models, and judge the whole",
    )
    add(
        "--dry-run",
        dest="swapgate_dry_run",
        action="store_const",
        const=True,
        help="call nothing: say how many calls, tokens and dollars the selected trials would take",
    )
    add(
        "--nightly",
        dest="swapgate_nightly",
        action="store_const",
        const=True,
        help="mark the run as a night: `swapgate drift` then holds nights alone against each other",
    )
    add(
        "--locked",
        dest="swapgate_locked",
        action="store_const",
        const=True,
        help="fail when another model or configuration answers than config/models.lock knows",
    )
    add(
        "--swapgate-watch",
        dest="swapgate_watch",
        action="store_const",
        const=True,
        help="mark the run as a look at floating models, as `swapgate models watch` does",
    )
    add(
        "--max-cost",
        dest="swapgate_max_cost",
        type=float,
        metavar="USD",
        help="stop before the next call that could make the run cost more than this",
    )
    add(
        "--max-cost-per-day",
        dest="swapgate_max_cost_per_day",
        type=float,
        metavar="USD",
        help="stop before the next call that could make all runs of the day cost more than this",
    )
    add(
        "--concurrency",
        dest="swapgate_concurrency",
        type=int,
        metavar="N",
        help="calls in flight at once (default 16)",
    )
    add(
        "--ray",
        dest="swapgate_ray",
        metavar="ADDRESS",
        help="run local models and your own code on Ray: local (started for this run), auto, or host:port",
    )
    add(
        "--live",
        dest="swapgate_cache",
        action="append_const",
        const="live",
        help="call always, never read a stored response",
    )
    add(
        "--replay",
        dest="swapgate_cache",
        action="append_const",
        const="replay",
        help="never call: use stored responses only, a missing one is an error",
    )
    add(
        "--recordings",
        dest="swapgate_recordings",
        action="append",
        metavar="FILE",
        help="JSONL of recorded responses to read before the cache; repeat for several",
    )
    add(
        "--report",
        dest="swapgate_report",
        action="append",
        metavar="FORMAT",
        help="report to write: json, md, html (these by default), junit, csv, parquet, sarif, codequality or "
        "none; repeat for several",
    )
    add(
        "--swapgate-report-url",
        dest="swapgate_report_url",
        metavar="URL",
        help="where the reports can be read, for links in report.md; {run} stands for the run's id",
    )
    add(
        "--swapgate-github",
        dest="swapgate_github",
        metavar="MODE",
        help="annotations and a summary in GitHub Actions: auto (default) or off",
    )
    add(
        "--batch",
        dest="swapgate_batch",
        action="store_const",
        const=True,
        help="ask through the services' batch APIs: within a day, at half the price",
    )
    add(
        "--swapgate-batch-deadline",
        dest="swapgate_batch_deadline_h",
        type=float,
        metavar="HOURS",
        help="with --batch: call live what has no answer so long after it was sent (default 24)",
    )
    add(
        "--swapgate-batch-poll",
        dest="swapgate_batch_poll_s",
        type=float,
        metavar="SECONDS",
        help="with --batch: first wait between two looks at a batch; it grows to twelve times (default 5)",
    )
    add(
        "--swapgate-timeout",
        dest="swapgate_timeout_s",
        type=float,
        metavar="SECONDS",
        help="time-out of one call (default 120)",
    )
    add(
        "--swapgate-retries",
        dest="swapgate_retries",
        type=int,
        metavar="N",
        help="further attempts after a transient error (default 4)",
    )
    add(
        "--hedge",
        dest="swapgate_hedge",
        metavar="QUANTILE",
        help="call again what takes longer than p90, p95 or p99 of a model's answers (default: never)",
    )
    add(
        "--swapgate-seed",
        dest="swapgate_seed",
        type=int,
        metavar="N",
        help="seed of the order of cases under --stop-early (default: drawn, and stored with the run)",
    )
    add(
        "--swapgate-reports",
        dest="swapgate_reports",
        metavar="DIR",
        help="where reports go (default reports/)",
    )
    add(
        "--swapgate-state",
        dest="swapgate_state",
        metavar="DIR",
        help="where the cache and the history live (default .swapgate/)",
    )
    add(
        "--swapgate-history",
        dest="swapgate_history",
        metavar="PLACE",
        help="where runs are kept: a file or postgresql://USER@HOST/DATABASE (default .swapgate/history.db)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open swapgate's own session when a model is named; otherwise do nothing at all."""
    if not _names_a_model(config):
        return
    if not config.invocation_params.plugins:
        from swapgate.driving.garbage import Garbage

        config.pluginmanager.register(Garbage(), "swapgate-garbage")
    _keep_asserts_plain(config)
    from swapgate.driving.opening import open_session

    session = open_session(config)
    config.stash[SESSION] = session
    config.pluginmanager.register(session, "swapgate-session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a suite when a model is named and the file lies below the cases directories."""
    if file_path.suffix not in {".yml", ".yaml"}:
        return None
    session = parent.config.stash.get(SESSION, None)
    return None if session is None else session.collect(file_path, parent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say how cases are run where nothing was: without a model no file of cases is looked at."""
    is_empty = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not terminalreporter.stats.get(
        "deselected"
    )
    if not is_empty or SESSION in config.stash:
        return
    if (config.rootpath / "cases").is_dir() or holds_settings(config.rootpath):
        from swapgate.driving.unasked import how_to_ask

        if told := how_to_ask(config.rootpath):
            terminalreporter.write_line(told)


def holds_settings(folder: Path) -> bool:
    """Whether a folder's pyproject.toml has a table [tool.swapgate]."""
    pyproject = folder / "pyproject.toml"
    return pyproject.is_file() and b"[tool.swapgate" in pyproject.read_bytes()


def _keep_asserts_plain(config: pytest.Config) -> None:
    """Take swapgate's own modules out of pytest's rewriting of asserts.

    A plugin's whole distribution is rewritten, for plugins that help with assertions. This one has none to
    explain, and where no bytecode can be written its two hundred modules are parsed anew by every run.
    """
    hook = config.pluginmanager.rewrite_hook
    marked, answers = getattr(hook, "_must_rewrite", None), getattr(hook, "_marked_for_rewrite_cache", None)
    if isinstance(marked, set) and isinstance(answers, dict):
        marked -= {name for name in marked if name.partition(".")[0] == "swapgate"}
        answers.clear()


def _names_a_model(config: pytest.Config) -> bool:
    if config.option.swapgate_model or os.environ.get("SWAPGATE_MODEL"):
        return True
    if not holds_settings(config.rootpath):
        return False
    import tomllib

    try:
        settings = tomllib.loads((config.rootpath / "pyproject.toml").read_text(encoding="utf-8"))
        return "model" in settings["tool"]["swapgate"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return True
