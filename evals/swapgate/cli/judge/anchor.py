"""`swapgate judge anchor`: answers of a run frozen with what the judge says of them now."""

from __future__ import annotations

from typing import Annotated

import typer

from swapgate.cli.judge.canaries import find_judge
from swapgate.cli.options import JsonOption, MaxCostOption, RootOption, open_settings
from swapgate.cli.output import live_line, print_json, shown, warn
from swapgate.errors import UsageError


def anchor(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="The judge's name.")],
    run: Annotated[
        str, typer.Option("--from", metavar="RUN", help="The stored run whose answers are frozen.")
    ],
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="How many answers.")] = 40,
    readings: Annotated[
        int, typer.Option("--readings", min=1, max=20, metavar="K", help="How often to ask about each.")
    ] = 2,
    max_cost: MaxCostOption = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over the anchors that are there.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze a run's answers with the judge's verdicts of now, in judges/JUDGE.anchors.jsonl.

    Half of them passed in the run and half failed, where there are so many. The judge is asked anew, K times
    and never from the cache: chosen by their old verdicts, the anchors would seem to drift back from these.
    """
    from swapgate.engine.anchors import ask_anchors, chosen, frozen
    from swapgate.engine.workspace import Workspace
    from swapgate.reporting.files import write_text
    from swapgate.reporting.format import money
    from swapgate.runs.stored import load_run
    from swapgate.spec.anchors import anchors_path, anchors_text

    settings = open_settings(root, max_cost=max_cost, cache="live")
    workspace = Workspace(settings)
    path = anchors_path(settings.judges_dir, judge)
    if path.exists() and not force:
        raise UsageError(f"{shown(path)} exists: --force writes over it, and ends the comparison of nights")
    suites, found = find_judge(judge, workspace)
    source, trials = load_run(run, settings)
    cases = [case for suite in suites if suite.name in source.suites for case in suite.cases]
    candidates = chosen(found, trials, cases, count=count)
    if not candidates:
        raise UsageError(
            f"run {source.id} has no verdict of the judge {judge!r} on a case that is as it was: "
            "name another run"
        )
    workspace.require_ready({name: workspace.model(name) for name in found.models})
    passes, spent_usd = [], 0.0
    with live_line() as draw:
        for _pass in range(readings):
            reads, paid_usd = ask_anchors(workspace, found, candidates, draw=draw, spent_usd=spent_usd)
            passes.append(reads)
            spent_usd += paid_usd
    anchors = list(frozen(candidates, passes))
    if not anchors:
        raise UsageError(f"the judge {judge!r} gave no verdict on any of them: {passes[0][0].problem}")
    write_text(path, anchors_text(anchors))
    lost = len(candidates) - len(anchors)
    if lost:
        warn(f"{lost:,} of {len(candidates):,} answers are left out: the judge gave no verdict on them")
    wavering = sum(len({reading.passed for reading in one.readings}) > 1 for one in anchors)
    if as_json:
        print_json(
            {
                "file": str(path),
                "anchors": len(anchors),
                "left_out": lost,
                "wavering": wavering,
                "paid_usd": spent_usd,
            }
        )
        return
    passed = sum(one.readings[-1].passed for one in anchors)
    typer.echo(
        f"wrote {shown(path)}: {len(anchors):,} anchors, of which {passed:,} pass; {money(spent_usd)} paid"
    )
    if readings > 1:
        typer.echo(f"the verdict wavers on {wavering:,} of them over {readings} readings")
