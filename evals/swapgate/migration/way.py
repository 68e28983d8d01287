"""The way from one model to the other, step by step: from a right suite to the last share of traffic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from swapgate.migration.checklist import Check, Said, done, not_applicable, still_open
from swapgate.migration.looked import Looked
from swapgate.migration.shadow_traffic import store_path
from swapgate.migration.window import span_of
from swapgate.pins import LOCK_FILE
from swapgate.pins.lock import read_lock
from swapgate.reporting.format import count
from swapgate.retrieval.opening import read_index_workspace
from swapgate.retrieval.phases import Phase
from swapgate.shadow.plan import SHADOW_CONFIG
from swapgate.shadow.ramp.state import RAMP_FILE, RampStore
from swapgate.shadow.store import ShadowStore
from swapgate.spec.calibration_files import calibration_path

_WEEK_S = 6 * 86_400.0  # the first and the last exchange of seven days are a little more than six apart
_WHOLE = 1.0


def suites_are_right(looked: Looked) -> Said:
    """The suites can be read, with every judge and model that they name."""
    cases = sum(len(suite.cases) for suite in looked.suites)
    return done(f"{count(len(looked.suites), 'suite')} with {count(cases, 'case')}")


def compared(looked: Looked) -> Said:
    """Both models answered the same cases, and the gate has decided."""
    command = f"pytest --model={looked.new} --baseline={looked.old}"
    if (found := looked.compared) is None:
        return still_open(f"no whole run of {looked.new} against {looked.old}", command)
    gate = found.gate
    if gate.answer == "pass":
        return done(f"run {found.run.id}: {gate.reason}")
    return still_open(f"run {found.run.id}: {gate.answer.replace('_', ' ')}: {gate.reason}", command)


def judges_are_calibrated(looked: Looked) -> Said:
    """Every judge was held against people's labels."""
    names = sorted(
        {judge.spec.judge for suite in looked.suites for one in suite.cases for judge in one.judges}
    )
    if not names:
        return not_applicable("no judge: references decide")
    bare = [name for name in names if calibration_path(looked.settings.judges_dir, name) is None]
    if bare:
        return still_open(
            f"uncalibrated: {', '.join(bare)}",
            f"swapgate judge label latest, swapgate judge calibrate {bare[0]}",
        )
    return done(f"{count(len(names), 'judge')} with people's labels")


def a_week_of_shadow(looked: Looked) -> Said:
    """The shadow has seen a whole business cycle."""
    path = store_path(looked.settings)
    if not path.is_file():
        return still_open("no traffic was mirrored", "swapgate shadow serve")
    with closing(ShadowStore(path)) as store:
        span = span_of(
            one.exchange.at
            for one in store.exchanges(state="whole")
            if one.exchange.candidate is not None and one.exchange.candidate.model == looked.new
        )
    if span.seconds is None:
        return still_open(f"nothing was mirrored to {looked.new}", "swapgate shadow serve")
    days = f"{span.seconds / 86_400:.1f} days of traffic"
    return (
        done(days)
        if span.seconds >= _WEEK_S
        else still_open(f"{days}, of at least 7", "swapgate shadow status")
    )


def promoted(looked: Looked) -> Said:
    """The last decision about the new model's traffic is to promote it."""
    path = looked.settings.state_dir / RAMP_FILE
    command = "swapgate shadow promote"
    if not path.is_file():
        return still_open("nothing was decided yet", command)
    routes = looked.routes
    with closing(RampStore(path)) as store:
        said = {route: store.last_verdict(route) for route in routes}
    if not said:
        return still_open(f"no route of {SHADOW_CONFIG} has the candidate {looked.new}", command)
    for route, verdict in said.items():
        if verdict is None or verdict.candidate != looked.new:
            return still_open(f"{route}: nothing was decided about {looked.new}", command)
        if verdict.verdict != "promote":
            return still_open(f"{route}: {verdict.verdict}: {verdict.reason}", command)
    return done(f"promote: {', '.join(said)}")


def ramped(looked: Looked) -> Said:
    """The new model serves everybody."""
    path = looked.settings.state_dir / RAMP_FILE
    if not path.is_file():
        return still_open("no share of the traffic was moved yet", "swapgate shadow ramp advance")
    with closing(RampStore(path)) as store:
        states = [one for one in store.states() if one.candidate == looked.new]
    if not states:
        return still_open(f"{looked.new} serves nobody", "swapgate shadow ramp advance")
    shares = ", ".join(f"{one.route} {one.share:.0%}" for one in states)
    if all(one.share >= _WHOLE for one in states):
        return done(shares)
    return still_open(shares, "swapgate shadow ramp advance")


def index_moved(looked: Looked) -> Said:
    """The vector index is migrated too, where one is."""
    path = looked.index_config or looked.settings.root / "config" / "index.yml"
    if not path.is_file():
        return not_applicable("no config/index.yml: the embedding stays")
    workspace = read_index_workspace(looked.settings, looked.index_config)
    with closing(workspace.state()) as store:
        found = store.find(workspace.name)
    if found is None:
        return still_open(f"{workspace.name} has not begun", "swapgate index begin")
    if found.phase in {Phase.BAKE, Phase.RETIRED, Phase.PROMOTED}:
        return done(f"{workspace.name}: {found.phase}")
    return still_open(f"{workspace.name}: {found.phase}", "swapgate index status")


def locked(looked: Looked) -> Said:
    """The lock holds the new model as it is declared."""
    lock = read_lock(looked.settings.models_file.parent / LOCK_FILE)
    if lock is None:
        return still_open(f"no {LOCK_FILE}", "swapgate models lock")
    held = lock.models.get(looked.new)
    if held is None:
        return still_open(f"{LOCK_FILE} does not know {looked.new}", "swapgate models lock")
    if held.model != looked.new_spec.model:
        return still_open(
            f"{LOCK_FILE} holds {held.model}, not {looked.new_spec.model}", "swapgate models lock"
        )
    return done(f"{held.model}")


def way() -> Iterator[Check]:
    """Yield the steps of the way, in its order."""
    for name, title, look in (
        ("suites", "The suites are right", suites_are_right),
        ("compared", "Both models are compared, and the gate passes", compared),
        ("judges", "Judges agree with people", judges_are_calibrated),
        ("week", "A business cycle of shadow traffic", a_week_of_shadow),
        ("promoted", "The shadow's decision is to promote", promoted),
        ("index", "The vector index is migrated", index_moved),
        ("ramped", "The new model serves everybody", ramped),
        ("locked", "The lock holds the new model", locked),
    ):
        yield Check(name=name, part="way", title=title, look=look)
