"""Which rule of the gate holds where. Imports neither numpy nor scipy: asked before a run's first call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.spec.suite import GateEntry, GateSpec, SliceGate
from swapgate.stats.power import floor_cases

DEFAULT_MARGIN = 0.05
EVERY_CASE = "every-case"
Measure = Literal["semantic", "structural", "blind_pass"]
MEASURES: tuple[Measure, ...] = ("semantic", "structural", "blind_pass")
MEASURE_WORDS: dict[str, str] = {
    "semantic": "semantic pass rate",
    "structural": "structural pass rate",
    "blind_pass": "blind pass rate",
}
Rules: TypeAlias = SliceGate | Literal["every-case"] | None


def rules_by_scope(overall: GateEntry | None, suites: Mapping[str, GateEntry | None]) -> dict[Scope, Rules]:
    """Return the rules of each scope that has an entry: overall, suites, then the tags and prompts listed."""
    found: dict[Scope, Rules] = {OVERALL: overall}
    found |= {Scope(suite): entry for suite, entry in suites.items()}
    return found | dict(slice_gates(overall, suites))


def slice_gates(overall: GateEntry | None, suites: Mapping[str, GateEntry | None]) -> dict[Scope, SliceGate]:
    """Return the rules for tags and prompts, overall and within suites, by scope."""
    found: dict[Scope, SliceGate] = {}
    entries: dict[str | None, GateEntry | None] = {None: overall} | dict(suites)
    for suite, entry in entries.items():
        if isinstance(entry, GateSpec):
            found |= {Scope(suite, tag=tag): gate for tag, gate in entry.tags.items()}
            found |= {Scope(suite, prompt=prompt): gate for prompt, gate in entry.prompts.items()}
    return found


def margins(
    overall: GateEntry | None, suites: Mapping[str, GateEntry | None], present: Iterable[str]
) -> dict[Scope, float]:
    """Return the margin of each scope, the one over all suites first.

    The default holds over all suites when nothing is said overall, unless each suite present says its own.
    """
    present = list(present)
    own = {suite: margin for suite in present if (margin := _margin(suites.get(suite))) is not None}
    everywhere = _margin(overall)
    if everywhere is None and (not own or set(own) != set(present)):
        everywhere = DEFAULT_MARGIN
    found = {} if everywhere is None else {OVERALL: everywhere}
    found |= {Scope(suite): margin for suite, margin in own.items()}
    listed = slice_gates(overall, {suite: suites.get(suite) for suite in present})
    return found | {scope: gate.margin for scope, gate in listed.items() if gate.margin is not None}


def floor_of(margin: float) -> int:
    """Return the fewest cases at which a margin is judged; 0 for a margin of 0: that asks for superiority."""
    return floor_cases(margin) if margin else 0


def has_rule(rules: Rules) -> bool:
    """Whether an entry says anything that is judged without a baseline."""
    if not isinstance(rules, SliceGate):
        return rules is not None
    named = {"semantic", "structural", "cost_usd", "latency_p95_s", "errors", "unscored"}
    own = any(getattr(rules, name, None) is not None for name in named)
    blind = rules.blind_pass
    own = own or (blind is not None and (blind.min is not None or blind.max is not None))
    slices = [*rules.tags.values(), *rules.prompts.values()] if isinstance(rules, GateSpec) else []
    return own or any(map(has_rule, slices))


def _margin(entry: GateEntry | None) -> float | None:
    return entry.margin if isinstance(entry, GateSpec) else None
