"""`swapgate history baseline`: runs that others are compared with, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.history.open import existing, opened
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table
from swapgate.errors import UsageError
from swapgate.records import to_json
from swapgate.reporting.text import safe_text

baseline_app = typer.Typer(help="Make a run the baseline of others: --baseline=@NAME, or a file in git.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The baseline's name, with or without @.")]


@baseline_app.command("set")
def set_baseline(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A complete run: its id, `latest`, or MODEL@RUN.")
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What --baseline=@NAME will call it.")
    ] = "main",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why this run; stored with it.")] = "",
    by: Annotated[
        str | None, typer.Option("--by", metavar="WHO", help="Who says so. Default: git's user.name.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write it to a file too, which may live in git."),
    ] = None,
    *,
    with_texts: Annotated[
        bool,
        typer.Option(
            "--with-texts", help="With --to: keep prompts and answers too, for diffs and --rejudge."
        ),
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a complete run the baseline of a name."""
    from swapgate.runs.promoting import promote, write_promotion

    if with_texts and to is None:
        raise UsageError("--with-texts says what --to FILE holds: give both")
    settings = open_settings(root)
    with existing(settings) as history:
        done = promote(run, history, settings, name=name.removeprefix("@"), why=why, by=by)
        if to is not None:
            write_promotion(done, history, to, with_texts=with_texts)
    if as_json:
        known = done.before and to_json(done.before)
        print_json({"baseline": to_json(done.promoted), "before": known, "file": to and str(to)})
        return
    own, before = done.promoted, done.before
    is_other = before is not None and (before.run_id, before.model) != (own.run_id, own.model)
    instead = f", in the place of {before.model}@{before.run_id}" if before is not None and is_other else ""
    typer.echo(safe_text(f"@{own.name} is {own.model}@{own.run_id}{instead}"))
    if to is not None:
        typer.echo(f"written to {to}: {len(done.facts):,} trials, {to.stat().st_size / 1e3:,.0f} kB")
    typer.echo(f"compare with it: pytest --model=NAME --baseline={to or f'@{own.name}'}")


@baseline_app.command("show")
def show_baselines(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The baseline's name. Default: all of them.")
    ] = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the baselines: which runs, by whom, when and why."""
    with opened(open_settings(root)) as history:
        if history is None:
            found = []
        else:
            found = history.baselines() if name is None else [history.baseline(name.removeprefix("@"))]
    if as_json:
        print_json([to_json(one) for one in found])
    elif not found:
        typer.echo("no baselines yet: `swapgate history baseline set RUN` makes one")
    else:
        header = ("baseline", "model", "run", "since", "by", "why")
        rows = [(f"@{o.name}", o.model, o.run_id, o.promoted_at[:19], o.promoted_by, o.why) for o in found]
        print_table(header, rows)


@baseline_app.command("clear")
def clear_baseline(name: NameArgument, *, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Forget a baseline's name; its run stays, and so does a file."""
    with existing(open_settings(root)) as history:
        found = history.baseline(name.removeprefix("@"))
        history.demote(found.name)
    if as_json:
        print_json({"cleared": to_json(found)})
    else:
        typer.echo(safe_text(f"@{found.name} was {found.model}@{found.run_id}, and is free; the run stays"))
