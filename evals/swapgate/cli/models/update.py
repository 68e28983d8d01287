"""`swapgate models update`: a model moved to another pin, when the gate lets it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.models.lint import read_written, today_utc
from swapgate.cli.options import (
    JsonOption,
    MaxCostOption,
    PytestArgument,
    RepeatsOption,
    RootOption,
    open_settings,
)
from swapgate.cli.output import print_json, shown, warn
from swapgate.errors import UsageError
from swapgate.reporting.text import safe_text
from swapgate.spec.source import read_yaml

if TYPE_CHECKING:
    from swapgate.pins.catalogue import PinCatalogue
    from swapgate.pins.moving import Move
    from swapgate.reporting.markdown.pin_update import UpdateFacts
    from swapgate.runs.updating import Contest, Updated
    from swapgate.spec.model_entries import AcceptUnpinned
    from swapgate.spec.settings import Settings

TEXT_FILE = "pull-request.md"


def update_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task or a model of config/models.yml.")],
    arguments: PytestArgument = None,
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="PIN", help="The new id at the provider, or of a task another model."),
    ],
    suite: Annotated[
        list[Path] | None,
        typer.Option(
            "--suite",
            metavar="PATH",
            help="A suite or folder to compare on; repeat for several. Default: the suites that are called "
            "as the tasks, or all.",
        ),
    ] = None,
    accept: Annotated[
        str | None, typer.Option("--accept", metavar="REASON", help="Why an id that is no pin is accepted.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="With --accept: until when, 2027-03-31.")
    ] = None,
    why: Annotated[
        str | None, typer.Option("--why", metavar="TEXT", help="Why it is moved, for the pull request.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option("--text", metavar="FILE", help="Where the pull request's text goes. Default: reports/."),
    ] = None,
    repeats: RepeatsOption = None,
    max_cost: MaxCostOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, run and cost; call and write nothing.")
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run the suites on the current pin and on another one, and move the model when the gate passes.

    Then models.yml and models.lock are changed, and the text of the pull request is written. Exits with 1
    when the gate fails, with 10 when it is inconclusive, with 13 when it could not be found out; nothing is
    changed then.
    """
    from swapgate.pins import LOCK_FILE
    from swapgate.pins.catalogue import bundled
    from swapgate.pins.lock import read_lock
    from swapgate.pins.moving import planned_move
    from swapgate.runs.updating import contest, moved_text

    settings = open_settings(root, repeats=repeats, max_cost=max_cost)
    catalogue, known = read_written(settings), bundled()
    before = settings.models_file.read_bytes()
    document = read_yaml(settings.models_file)
    move = planned_move(
        catalogue, document, name, to, known=known, today=today_utc(), accepted=_accepted(accept, until)
    )
    # What cannot be written, or cannot be read then, is told before anything is paid for.
    moved_text(move, before.decode("utf-8"), settings.models_file)
    _require_known(move, known, is_asking=not dry_run)
    read_lock(settings.models_file.parent / LOCK_FILE)
    paths = [_present(path) for path in suite or ()]
    with contest(move, document, settings, paths) as sides:
        if dry_run:
            _foretell(sides, as_json=as_json)
            return 0
        if not as_json:
            typer.echo(safe_text(_plan(sides)))
            sys.stdout.flush()  # before pytest's own lines
        return _run(sides, settings, before, known, arguments or [], why=why, text=text, as_json=as_json)


def _present(path: Path) -> Path:
    if not path.exists():
        raise UsageError(f"--suite {str(path)!r} does not exist")
    return path.absolute()


def _accepted(accept: str | None, until: str | None) -> AcceptUnpinned | None:
    from swapgate.spec.model_entries import AcceptUnpinned

    if (accept is None) != (until is None):
        raise UsageError("--accept REASON and --until DATE belong together")
    if accept is None or until is None:
        return None
    try:
        return AcceptUnpinned(reason=accept, until=date.fromisoformat(until))
    except ValueError as exc:
        raise UsageError(f"--until {until!r} is not a day such as 2027-03-31") from exc


def _require_known(move: Move, known: PinCatalogue, *, is_asking: bool) -> None:
    """Refuse an id that neither the catalogue has nor the provider, which is asked where `is_asking`."""
    from swapgate.pins.moving import unlisted
    from swapgate.providers.offered import NotTold, offered_models

    if not (told := unlisted(move, known)):
        return
    if not is_asking:
        warn(f"{told} The provider is asked for its list when it is run")
        return
    try:
        offered = offered_models(move.after)
    except NotTold as exc:
        raise UsageError(f"{told} And {move.after.provider} could not be asked for its list: {exc}") from exc
    if move.to not in offered or offered[move.to].is_retired:
        raise UsageError(f"{told} Nor does {move.after.provider} offer it now")


def _plan(sides: Contest) -> str:
    move = sides.move
    also = f" (and with it {', '.join(move.also)})" if move.also else ""
    where = ", ".join(suite.name for suite in sides.suites)
    return f"{move.name}: {move.before.model} -> {move.after.model}{also}; both are run on {where}"


def _foretell(sides: Contest, *, as_json: bool) -> None:
    from swapgate.engine.forecasting import forecast
    from swapgate.engine.workspace import Workspace
    from swapgate.runs.forecast_lines import forecast_lines

    workspace = Workspace(sides.settings)
    jobs = [job for suite in sides.suites for job in workspace.jobs(workspace.suite(suite.loaded.path))]
    found = forecast(workspace, jobs)
    if as_json:
        print_json({**_described(sides), "forecast": found.to_json()})
        return
    typer.echo(safe_text(_plan(sides)))
    for keys, value in sides.move.changes.items():
        typer.echo(safe_text(f"would write {'/'.join(keys)}: {value}"))
    for line in forecast_lines(found, sides.settings):
        typer.echo(line.rstrip())


def _run(
    sides: Contest,
    settings: Settings,
    before: bytes,
    known: PinCatalogue,
    arguments: Sequence[str],
    *,
    why: str | None,
    text: Path | None,
    as_json: bool,
) -> int:
    from swapgate.runs.updating import run_contest, write_moved

    updated = run_contest(sides, arguments, to_stderr=as_json)
    written: dict[str, str] = {}
    pull_request = None
    if updated.answer == "moved" and updated.outcome is not None:
        from swapgate.reporting.files import write_text
        from swapgate.reporting.markdown.pin_update import update_text

        lock = write_moved(sides.move, settings, before, known, today=today_utc())
        pull_request = update_text(_facts(sides, known, why), updated.outcome)
        place = text or settings.reports_dir / updated.outcome.run.id / TEXT_FILE
        write_text(place, pull_request)
        written = {
            "models": shown(settings.models_file),
            "lock": shown(lock),
            "text": shown(place.absolute()),
        }
    if as_json:
        print_json(
            {**_described(sides), **_result(updated), "written": written, "pull_request": pull_request}
        )
    else:
        _say(sides, updated, written)
    return updated.exit_code


def _facts(sides: Contest, known: PinCatalogue, why: str | None) -> UpdateFacts:
    from swapgate.cli.models.list import list_prices
    from swapgate.reporting.markdown.pin_update import UpdateFacts

    return UpdateFacts(
        move=sides.move,
        candidate=sides.candidate,
        baseline=sides.baseline,
        why=[why] if why else list(_reasons(sides.move, known)),
        price_before=list_prices(sides.move.before),
        price_after=list_prices(sides.move.after),
    )


def _reasons(move: Move, known: PinCatalogue) -> list[str]:
    """Return why a model may be moved, as far as the catalogue tells."""
    from swapgate.pins.newer import newer_pins

    old, today = move.pin_before.known, today_utc()
    found = []
    if old is not None and old.retires_on is not None:
        source = f" ({old.source_url})" if old.source_url else ""
        found.append(f"{old.id} retires on {old.retires_on}{source}")
    if not move.pin_before.is_pinned:
        found.append(f"{move.before.model} is no pin: {move.pin_before.evidence}")
    if move.after.model in newer_pins(move.before.provider, move.before.model, known, today=today):
        found.append(f"{move.after.model} is a newer pin of its family")
    return found or ["to be said by whoever opens this"]


def _described(sides: Contest) -> dict[str, Any]:
    move = sides.move
    return {
        "name": move.name,
        "entry": move.entry,
        "keys": list(move.keys),
        "also": list(move.also),
        "before": _side(sides.baseline, move.before.provider, move.before.model, move.pin_before.kind),
        "after": _side(sides.candidate, move.after.provider, move.after.model, move.pin_after.kind),
        "suites": [suite.name for suite in sides.suites],
    }


def _side(name: str, provider: str, model: str, kind: str) -> dict[str, str]:
    return {"name": name, "provider": provider, "model": model, "class": kind}


def _result(updated: Updated) -> dict[str, Any]:
    from swapgate.records import to_json

    outcome = updated.outcome
    return {
        "answer": updated.answer,
        "exit_code": int(updated.exit_code),
        "reasons": list(updated.reasons),
        "run": outcome.run.id if outcome else None,
        "gate": to_json(outcome.gate) if outcome else None,
    }


def _say(sides: Contest, updated: Updated, written: dict[str, str]) -> None:
    move = sides.move
    for what, path in written.items():
        typer.echo(f"wrote {path}" + (": the text of the pull request" if what == "text" else ""))
    if written:
        typer.echo(
            safe_text(f"update: MOVED: {move.entry} is {move.after.model}; commit both files together")
        )
        return
    for reason in updated.reasons:
        typer.echo(safe_text(f"{updated.answer}: {reason}"))
    typer.echo(
        safe_text(
            f"update: {updated.answer.upper()}: {move.entry} stays {move.before.model}; nothing is written"
        )
    )
