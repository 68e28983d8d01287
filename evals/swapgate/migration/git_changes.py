"""What was changed of prompts, cases and judges, as git tells it: commits and lines, never hours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from swapgate.analysis.switching import SwitchItem
from swapgate.errors import UsageError
from swapgate.here import git_says
from swapgate.migration.window import Span, Window, span_of
from swapgate.reporting.format import count
from swapgate.spec.settings import Settings
from swapgate.values import Value

_YAML = (".yml", ".yaml")
# The marks cannot stand in a path, which git quotes where it holds one.
_FORMAT = "--format=%x01%H%x02%aI"


class GitChanges(Value):
    """Commits that touched some folders, with the lines and files that they changed."""

    commits: tuple[str, ...]
    moments: tuple[str, ...]
    files: frozenset[str]
    added: int
    removed: int


def changed_prompts(settings: Settings, window: Window, between: str | None) -> tuple[SwitchItem, Span]:
    """Return the item of the prompts; `between` is a range of git (A..B) in place of the window."""
    found = git_changes(settings.root, [settings.prompts_dir], window, between)
    if found is None or not found.commits:
        return _nothing("prompts", is_unknown=found is None), Span()
    before, after = _overrides_around(settings, found)
    overrides = sorted(after - before)
    shown = f", {count(len(overrides), 'override')} added" if overrides else ""
    return _item("prompts", found, more=shown), span_of(found.moments)


def changed_suites(settings: Settings, window: Window, between: str | None) -> tuple[SwitchItem, Span]:
    """Return the item of the cases and judges."""
    folders = [*settings.cases_dirs, settings.judges_dir]
    found = git_changes(settings.root, folders, window, between)
    if found is None or not found.commits:
        return _nothing("suite", is_unknown=found is None), Span()
    return _item("suite", found), span_of(found.moments)


def git_changes(
    root: Path, folders: Sequence[Path], window: Window, between: str | None = None
) -> GitChanges | None:
    """Return what git says was changed in folders; None where it knows nothing of them."""
    times = [
        *([f"--since={window.since}"] if window.since else []),
        *([f"--until={window.until}"] if window.until else []),
    ]
    here = [str(folder) for folder in folders if folder.exists()]
    if not here:
        return None
    which = ["--end-of-options", between] if between else ["HEAD"]
    said = git_says(
        root, "log", "--no-merges", "--numstat", _FORMAT, *([] if between else times), *which, "--", *here
    )
    if said is None and between and git_says(root, "rev-parse", "HEAD") is not None:
        raise UsageError(f"--range {between!r}: git knows no such range here: write A..B")
    return None if said is None else _read(said)


def _read(said: str) -> GitChanges:
    commits, moments, files = [], [], set()
    added = removed = 0
    for entry in said.split("\x01")[1:]:
        head, _, lines = entry.partition("\n")
        commit, _, moment = head.partition("\x02")
        commits.append(commit)
        moments.append(moment)
        for line in lines.strip().splitlines():
            more, less, path = line.split("\t", 2)
            files.add(path)
            added += int(more) if more.isdigit() else 0  # `-` where a file is binary
            removed += int(less) if less.isdigit() else 0
    return GitChanges(
        commits=tuple(commits), moments=tuple(moments), files=frozenset(files), added=added, removed=removed
    )


def _overrides_around(settings: Settings, found: GitChanges) -> tuple[set[str], set[str]]:
    """Return the overrides that prompts had before the first of these commits, and after the last."""
    prefix = (git_says(settings.root, "rev-parse", "--show-prefix") or "").strip()
    first, last = f"{found.commits[-1]}~1", found.commits[0]
    names = [path for path in found.files if path.endswith(_YAML)]
    below = [path if path.startswith(prefix) else prefix + path for path in names]
    return _overrides(settings.root, first, below), _overrides(settings.root, last, below)


def _overrides(root: Path, commit: str, files: Sequence[str]) -> set[str]:
    found = set()
    for file in files:
        text = git_says(root, "show", f"{commit}:{file}")
        try:
            written = yaml.safe_load(text) if text else None
        except yaml.YAMLError:
            continue
        overrides = written.get("overrides") if isinstance(written, dict) else None
        if isinstance(overrides, dict):
            found |= {f"{file}#{name}" for name in overrides}
    return found


def _item(name: str, found: GitChanges, *, more: str = "") -> SwitchItem:
    told = (
        f"{count(len(found.commits), 'commit')}, {count(len(found.files), 'file')}, "
        f"+{found.added:,} and -{found.removed:,} lines{more}"
    )
    return SwitchItem(name=name, usd=0.0, told=(told,))


def _nothing(name: str, *, is_unknown: bool) -> SwitchItem:
    why = "git knows nothing of them here" if is_unknown else "no commit in this time"
    return SwitchItem(name=name, usd=0.0, did_happen=False, why_unknown=(why,))
