"""`swapgate history show`: one run, what it was run with, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, VerboseOption, open_settings
from swapgate.cli.output import print_json
from swapgate.records import ModelIdentity, Run, to_json
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.runs import run_state
from swapgate.reporting.worst import ALL_SUITES, FEW

_HASH_CHARS = 12
_VERSIONS = 4  # of swapgate, Python, pytest and pydantic; --json has all


def show_run(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, `latest` or `@NAME`.")
    ],
    *,
    verbose: VerboseOption = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: what was run, with what, and what the gate says of it."""
    from swapgate.cli.stored import open_run

    outcome = open_run(run, open_settings(root))
    if as_json:
        parts = {
            "gate": to_json(outcome.gate),
            "summaries": [to_json(summary) for summary in outcome.summaries],
            "judges": [to_json(use) for use in outcome.judges],
        }
        print_json({"run": to_json(outcome.run), **parts})
        return
    from swapgate.reporting.terminal.summary import summary_lines

    for line in (*_head(outcome.run, verbose=verbose), *summary_lines(outcome, verbose=verbose)):
        typer.echo(line)


def _head(run: Run, *, verbose: int) -> Iterator[str]:
    yield safe_text(f"run {run.id}, {run_state(run)}, started {run.started_at}, {run.planned} trials planned")
    if run.shard is not None:
        yield safe_text(f"shard {run.shard.name} of {sum(run.shard.sizes)} trials")
    if run.merged:
        yield safe_text(f"merged from the shards {', '.join(run.merged)}")
    if run.completes:
        yield safe_text(f"completes run {run.completes}")
    for model in run.models:
        role = " (baseline)" if model.name == run.baseline else ""
        yield safe_text(f"model {model.name}{role}: {_asked_for(model)}{_served(run, model.name, None)}")
    for judge in run.judges:
        yield safe_text(f"judge model {judge.name}: {_asked_for(judge)}")
    yield from map(safe_text, _judges(run))
    yield from map(safe_text, _suites(run, verbose=verbose))
    yield from map(safe_text, _made_with(run))


def _judges(run: Run) -> Iterator[str]:
    for judge, found in run.judge_hashes.items():
        served = [f"{one.model}{_served(run, one.model, judge)}" for one in run.served if one.judge == judge]
        yield f"judge {judge} {found[:_HASH_CHARS]}{': ' if served else ''}{', '.join(served)}"


def _suites(run: Run, *, verbose: int) -> Iterator[str]:
    """Yield each suite's hash, with those of its prompt as each model was asked, and of its schemas."""
    shown = run.suites if verbose > 0 or len(run.suites) <= ALL_SUITES else run.suites[:FEW]
    for suite in shown:
        own = f"{suite}/"
        parts = [f"suite {suite} {run.suite_hashes.get(suite, '')[:_HASH_CHARS]}".rstrip()]
        for kind, hashes in (("prompt of", run.prompt_hashes), ("schema", run.schema_hashes)):
            parts += [
                f"{kind} {name.removeprefix(own)} {found[:_HASH_CHARS]}"
                for name, found in hashes.items()
                if name.startswith(own)
            ]
        yield ", ".join(parts)
    if len(run.suites) > len(shown):
        yield f"and {count(len(run.suites) - len(shown), 'more suite')}: -v shows all"


def _made_with(run: Run) -> Iterator[str]:
    repeats = f", {run.repeats} repeats" if run.repeats > 1 else ""
    yield f"seed {run.seed}{repeats}"
    if run.git_commit:
        branch = f" on {run.git_branch}" if run.git_branch else ""
        yield f"commit {run.git_commit}{branch}{' with changes' if run.git_dirty else ''}"
    if run.command:
        yield f"command: {' '.join(run.command)}"
    if run.versions:
        versions = [f"{name} {found}" for name, found in run.versions.items()][:_VERSIONS]
        yield f"with {', '.join(versions)}{f' on {run.platform}' if run.platform else ''}"


def _asked_for(model: ModelIdentity) -> str:
    """Return what a model is declared as: its parameters, and the hash of its file where it has one."""
    params = "".join(f", {name} {json.dumps(value)}" for name, value in model.params.items())
    file = f", file {model.file_sha256[:_HASH_CHARS]}" if model.file_sha256 else ""
    return f"{model.provider} {model.model}{params}{file}"


def _served(run: Run, model: str, judge: str | None) -> str:
    """Return what was served under a model's name, where the services told it."""
    found = [one for one in run.served if (one.model, one.judge) == (model, judge)]
    told = [
        *(i for one in found for i in one.ids),
        *(f"fingerprint {f}" for one in found for f in one.fingerprints),
    ]
    return f", served {', '.join(told)}" if told else ""
