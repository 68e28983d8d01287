"""`swapgate shadow harvest`: disagreements of real traffic as cases for a person to label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.cli.shadow.reading import (
    CriteriaOption,
    RouteOption,
    SinceOption,
    UntilOption,
    open_reading,
    read_routes,
)
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.shadow.deciding.observations import Traffic
    from swapgate.shadow.harvesting.grouping import Group
    from swapgate.shadow.redaction import Redactor
    from swapgate.spec.settings import Settings
    from swapgate.spec.shadow import Redaction


def harvest(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    most: Annotated[
        int, typer.Option("--most", min=1, metavar="N", help="How many cases at most for each route.")
    ] = 50,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="The file. Default: cases/from_traffic/ROUTE.yml."),
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the disagreements, the worst first and alike ones once, as cases without an expectation.

    Cases that the file has already stay as they are, with what was written into them.
    """
    from swapgate.shadow.redaction import Redactor

    settings = open_settings(root)
    done = []
    with open_reading(settings, config, criteria) as reading:
        found = read_routes(reading, route=route, since=since, until=until)
        if to is not None and len(found) > 1:
            raise UsageError(f"--to names one file, and there are {len(found)} routes: say --route as well")
        redactor = Redactor(rules=_rules(settings, config))
        for traffic in found:
            path = to or settings.cases_dirs[0] / "from_traffic" / f"{traffic.route}.yml"
            groups, without = _groups(reading, traffic, most=most)
            added = _write(reading, groups, path.absolute(), redactor)
            done.append(
                {
                    "route": traffic.route,
                    "file": str(path),
                    "cases": added,
                    "groups": len(groups),
                    "exchanges": sum(len(group.pairs) for group in groups),
                    "without_content": without,
                }
            )
    if as_json:
        print_json({"routes": done})
    else:
        _print(done, to_shown={one["file"]: shown(Path(str(one["file"]))) for one in done})


def _groups(reading: Reading, traffic: Traffic, *, most: int) -> tuple[list[Group], int]:
    """Return the disagreements in groups, and how many have no words to be written down."""
    from swapgate.shadow.deciding.evidence import worst_pairs
    from swapgate.shadow.deciding.pairs import read_pairs
    from swapgate.shadow.harvesting.grouping import grouped

    pairs = read_pairs(reading.store, worst_pairs(traffic.observations))
    with_words = [pair for pair in pairs if pair.asked is not None]
    groups = grouped(with_words, reading.comparer_of(traffic.route).embed)
    return groups[:most], len(pairs) - len(with_words)


def _write(reading: Reading, groups: Sequence[Group], path: Path, redactor: Redactor) -> int:
    """Add the cases that the file has not got; return how many."""
    from swapgate.reporting.files import write_text
    from swapgate.shadow.comparing.asked import messages_of
    from swapgate.shadow.harvesting.cases import HEAD, case_id, case_text

    old = path.read_text(encoding="utf-8") if path.is_file() else HEAD
    known = _known(path, reading.settings.root)
    texts = []
    for group in groups:
        stored = reading.store.get(group.pair.key)
        if stored is not None and case_id(group.pair) not in known:
            texts.append(case_text(group, messages_of(stored.exchange), redactor))
    if texts:
        write_text(path, "\n".join([old.rstrip("\n"), "", *texts]))
    return len(texts)


def _known(path: Path, root: Path) -> set[str]:
    """Return the ids in the file; SpecError where a person broke it."""
    from swapgate.spec.read_suites import read_cases
    from swapgate.spec.suite import Defaults

    return {placed.case.id for placed in read_cases(path, Defaults(), root=root)} if path.is_file() else set()


def _rules(settings: Settings, config: Path | None) -> Redaction:
    """Return the redaction of the shadow configuration, else the strictest one."""
    from swapgate.shadow.plan import SHADOW_CONFIG
    from swapgate.spec.shadow import Redaction, read_shadow

    path = settings.root / SHADOW_CONFIG if config is None else config.absolute()
    return read_shadow(path, root=settings.root).redact if path.is_file() else Redaction()


def _print(done: Sequence[dict[str, object]], *, to_shown: dict[object, str]) -> None:
    for one in done:
        typer.echo(
            f"route {one['route']}: {one['cases']} new cases in {to_shown[one['file']]}, of "
            f"{one['groups']} kinds of disagreement in {one['exchanges']} exchanges"
        )
        if one["without_content"]:
            typer.echo(f"  {one['without_content']} disagree, but their words are not kept (`content: true`)")
    typer.echo("write `expected` into each case, or delete it; a suite takes the file with `cases_from`")
