"""`swapgate judge diff`: two versions of a judge on the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings, verbose_option
from swapgate.cli.output import print_json, shown
from swapgate.errors import UsageError
from swapgate.records import to_json

if TYPE_CHECKING:
    from swapgate.analysis.judge_change import JudgeChange
    from swapgate.records import Run, Trial

DIFF_FILE = "judge-diff.md"
SHOWN = 5


def diff(
    before: Annotated[
        str, typer.Argument(metavar="RUN_A", help="The run with the judge's earlier verdicts.")
    ],
    after: Annotated[
        str, typer.Argument(metavar="RUN_B", help="The run with its later ones, as `rejudge` makes it.")
    ],
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="NAME", help="This judge only; repeat for several."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it as Markdown, all changes named.")
    ] = None,
    *,
    verbose: Annotated[int, verbose_option("all changed verdicts")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a judge says otherwise in RUN_B than in RUN_A of the same answers. Asks nothing."""
    from swapgate.runs.rejudging import open_source

    settings = open_settings(root)
    changes = changes_of(open_source(before, settings), open_source(after, settings), judges or ())
    if out is not None:
        write_markdown(changes, out)
    if as_json:
        print_json({"judges": [to_json(change) for change in changes]})
        return
    print_changes(changes, verbose=verbose)
    if out is not None:
        typer.echo(f"report: {shown(out.absolute())}")


def changes_of(
    before: tuple[Run, Sequence[Trial]], after: tuple[Run, Sequence[Trial]], judges: Sequence[str] = ()
) -> tuple[JudgeChange, ...]:
    """Return what changed of the named judges, or of all that both runs were scored by."""
    from swapgate.analysis.judge_change import judge_changes

    (run_a, trials_a), (run_b, trials_b) = before, after
    found = judge_changes(trials_a, trials_b, run_before=run_a.id, run_after=run_b.id)
    known = [change.judge for change in found]
    if unknown := [name for name in judges if name not in known]:
        raise UsageError(
            f"--judge {unknown[0]!r}: no answer has a verdict of it in both runs; "
            f"{', '.join(known) or 'no judge'} has"
        )
    if not found:
        raise UsageError(
            f"runs {run_a.id} and {run_b.id} have no answer that one judge scored in both: compare a run "
            "with what `swapgate rejudge` made of it"
        )
    return tuple(change for change in found if not judges or change.judge in judges)


def write_markdown(changes: Sequence[JudgeChange], path: Path) -> None:
    """Write the whole difference as a page."""
    from swapgate.reporting.files import write_text
    from swapgate.reporting.judge_change import markdown

    write_text(path, markdown(changes))


def print_changes(changes: Sequence[JudgeChange], *, verbose: int) -> None:
    """Print the difference, with the first changed verdicts of each direction."""
    from swapgate.reporting.judge_change import change_lines

    for change in changes:
        for line in change_lines(change, most=None if verbose else SHOWN):
            typer.echo(line)
