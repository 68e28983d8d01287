"""`swapgate index begin`, `move`, `promote` and `rollback`: the phases, each change with who and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.index.options import ConfigOption, WhoOption, WhyOption, opened, warn_all
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json
from swapgate.errors import UsageError, nearest
from swapgate.reporting.format import percent

if TYPE_CHECKING:
    from swapgate.retrieval.phases import Migration

ForceOption = Annotated[
    bool, typer.Option("--force", help="Go on though a condition does not hold; it is told as a warning.")
]


def begin(
    *,
    why: WhyOption,
    who: WhoOption = None,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin the migration in the phase `plan`; one that is begun is left as it is."""
    from swapgate.retrieval.arms import whoever

    with opened(root, config) as found:
        old, new = (found.workspace.fingerprint(side) for side in ("old", "new"))
        now = found.store.create(found.workspace.name, old=old, new=new, who=who or whoever(), why=why)
    _print(now, (), as_json=as_json)


def move(
    phase: Annotated[str, typer.Argument(metavar="PHASE", help="The next phase, as `dual_write`.")],
    *,
    why: WhyOption,
    share: Annotated[
        float | None,
        typer.Option("--share", metavar="SHARE", help="Of the keys, for the phase canary: 0.05 is 5%."),
    ] = None,
    who: WhoOption = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the migration to its next phase, for all processes, once the phase's conditions hold."""
    from swapgate.retrieval.arms import whoever
    from swapgate.retrieval.moving import move as moved_on
    from swapgate.retrieval.phases import Phase

    if phase not in [*Phase]:
        known = ", ".join(Phase)
        raise UsageError(f"unknown phase {phase!r}.{nearest(phase, map(str, Phase))} Phases: {known}")
    with opened(root, config) as found:
        moved = moved_on(
            found.store,
            found.store.get(found.workspace.name),
            Phase(phase),
            new=lambda: found.index("new"),
            who=who or whoever(),
            why=why,
            share=share,
            force=force,
        )
    _print(moved.migration, moved.warnings, as_json=as_json)


def promote(
    *,
    why: WhyOption,
    who: WhoOption = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the new index serve everybody; both are written on, so that a rollback loses nothing."""
    move("promoted", why=why, who=who, force=force, config=config, root=root, as_json=as_json)


def rollback(
    *,
    why: WhyOption,
    who: WhoOption = None,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the old index serve everybody again, at once and without conditions."""
    move("rolled_back", why=why, who=who, config=config, root=root, as_json=as_json)


def _print(now: Migration, warnings: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        shown = {"migration": now.name, "phase": now.phase.value, "share": now.share, "version": now.version}
        print_json({**shown, "old": now.old.digest, "new": now.new.digest, "warnings": list(warnings)})
        return
    warn_all(warnings)
    serves = f"the new index serves {percent(now.share)}"
    typer.echo(
        f"{now.name}: {now.phase} (version {now.version}); {serves}; written: {' and '.join(now.writes)}"
    )
