"""`swapgate index ramp`: the new index's share of the queries, a step at a time or until it has them all."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.index.options import ConfigOption, WhoOption, opened
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json, warn
from swapgate.errors import ExitCode, StoreError, UsageError
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.retrieval.ramping import Ramper, Step

_WORDS = {
    "advance": "ADVANCED",
    "wait": "WAITS",
    "bad": "BAD LOOK",
    "hold": "HELD",
    "rollback": "ROLLED BACK",
    "done": "DONE",
}
_WOULD = {"advance": "WOULD ADVANCE", "rollback": "WOULD ROLL BACK"}
_ENDS = {"done", "rollback", "hold"}


def ramp(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would do and why; nothing is changed.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking until everybody has the new index, or nobody.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.1, metavar="SECONDS", help="With --watch: between two looks.")
    ] = 60.0,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Verify no stage from here: `index verify` runs elsewhere.")
    ] = False,
    who: WhoOption = None,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look at the stage once, and go on to the next one or back: what `ramp` in config/index.yml asks for.

    Exits with 0 when it went on or is done, 10 when it waits, 1 when the gate failed and nothing was changed,
    14 when it was rolled back.
    """
    from swapgate.retrieval.arms import whoever
    from swapgate.retrieval.ramping import Ramper

    if watch and dry_run:
        raise UsageError("--dry-run changes nothing, so --watch would never end: give one of them")
    with opened(root, config) as found:
        ramper = Ramper(
            found.workspace,
            found.store,
            index=found.index,
            who=who or f"ramp by {whoever()}",
            verifies=not no_verify,
        )
        if watch:
            return _watch(ramper, every, as_json=as_json)
        step = ramper.step(is_dry=dry_run)
    if as_json:
        print_json(_told(step))
    else:
        _print(step)
    return step.exit_code


def _watch(ramper: Ramper, every_s: float, *, as_json: bool) -> ExitCode:
    """Look until the ramp ends; a state that cannot be read is waited for."""
    told: tuple[object, ...] = ()
    while True:
        try:
            step = ramper.step()
        except StoreError as exc:
            warn(f"{exc}; looked at again in {every_s:g} seconds")
        else:
            # The sentences hold counts, which differ in each look: stages and words are what is new.
            news = (step.decision.word, step.after.version, len(step.decision.reasons))
            if news != told and as_json:
                typer.echo(json.dumps(_told(step)))  # one line a look: there are many
            elif news != told:
                _print(step)
            told = news
            if step.decision.word in _ENDS or step.after.phase not in _ramped():
                return step.exit_code
        time.sleep(every_s)


def _ramped() -> set[str]:
    from swapgate.retrieval.phases import Phase

    return {Phase.SHADOW_READ, Phase.CANARY, Phase.PROMOTED}


def _print(step: Step) -> None:
    decision = step.decision
    word = (_WOULD if step.is_dry else {}).get(decision.word) or _WORDS[decision.word]
    typer.echo(f"{step.before.name}: {word}: {_way(step)}")
    for reason in decision.reasons:
        typer.echo(f"  {safe_text(reason)}")


def _way(step: Step) -> str:
    """Return from where to where, or where it stays."""
    from swapgate.reporting.index.cells import stage_name

    before, after, decision = step.before, step.after, step.decision
    here = stage_name(before.phase, before.share)
    if decision.to is None:
        return here
    if step.is_dry:
        return f"{here} -> {stage_name(decision.to, decision.share or 0.0)}"
    return f"{here} -> {stage_name(after.phase, after.share)} (version {after.version})"


def _told(step: Step) -> dict[str, Any]:
    seen, decision = step.seen, step.decision
    told: dict[str, Any] = {
        "migration": step.before.name,
        "decision": decision.word,
        "reasons": list(decision.reasons),
        "dry_run": step.is_dry,
        "from": {"phase": step.before.phase, "share": step.before.share, "version": step.before.version},
        "to": {"phase": step.after.phase, "share": step.after.share, "version": step.after.version},
        "would": None if decision.to is None else {"phase": decision.to, "share": decision.share},
    }
    if seen is None:
        return told
    return told | {
        "age_h": seen.age_h,
        "served": dict(seen.tally.served),
        "missed": dict(seen.tally.missed),
        "shadow": {"served": seen.tally.shadow_served, "missed": seen.tally.shadow_missed},
        "live": [asdict(one) for one in seen.rulings],
        "verification": asdict(seen.verified),
        "in_the_way": list(seen.in_the_way),
        "bad_looks": seen.bad_before,
    }
