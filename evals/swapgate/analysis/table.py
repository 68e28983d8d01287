"""Trials as arrays: what rates, sums and tests are made from, worked out once for every scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from swapgate.facts import Facts
from swapgate.values import Value, replace

# A result that is not known; 1 is right and 0 wrong.
UNKNOWN = -1
Codes = npt.NDArray[np.int64]
Results = npt.NDArray[np.int8]
Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_RESULT: Mapping[bool | None, int] = {None: UNKNOWN, True: 1, False: 0}
_Name = TypeVar("_Name")


class Table(Value, eq=False):
    """Trials in their order, an entry a trial. `clusters` are numbers; an unknown amount is nan.

    Amounts of a fallback's answer are nan, but for `paid_usd`. `checks` are results by name and kind (judges
    have the kind `judge`), UNKNOWN where they saw nothing; `scores` and `covariates` are by their names.
    """

    structural: Results
    semantic: Results
    blind: Results
    clusters: Codes
    is_own: Flags
    is_fallback: Flags
    from_cache: Flags
    is_missed: Flags
    is_unscored: Flags
    error_kinds: npt.NDArray[Any]
    json_kinds: npt.NDArray[Any]
    recoverable: Results
    latency_s: Amounts
    ttft_s: Amounts
    tokens_in: Amounts
    tokens_out: Amounts
    cost_usd: Amounts
    paid_usd: Amounts
    judge_tokens_in: Codes
    judge_tokens_out: Codes
    judge_counted: Codes
    judge_cost_usd: Amounts
    judge_latency_s: Amounts
    repeats: Codes
    checks: Mapping[tuple[str, str], Results]
    scores: Mapping[str, Amounts]
    covariates: Mapping[str, Amounts]

    def take(self, inside: Codes) -> Table:
        """Return the trials at these positions."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            is_mapping = isinstance(column, Mapping)
            parts[field.name] = _each(column, inside) if is_mapping else column[inside]
        return replace(self, **parts)


class ModelTrials(Value, eq=False, dict=True):
    """One model's trials in one role, with their table."""

    model: str
    role: str
    facts: Sequence[Facts]

    @cached_property
    def table(self) -> Table:
        """The trials as arrays."""
        return table_of(self.facts)


def by_model(facts: Sequence[Facts]) -> list[ModelTrials]:
    """Return the trials of each model and role, in order of appearance."""
    found: dict[tuple[str, str], list[Facts]] = {}
    for one in facts:
        found.setdefault((one.model, one.role), []).append(one)
    return [ModelTrials(model=model, role=role, facts=own) for (model, role), own in found.items()]


def table_of(facts: Sequence[Facts]) -> Table:
    """Return some trials as arrays."""
    of = dict(zip(Facts._fields, zip(*facts, strict=True) if facts else repeat(()), strict=False))
    numbers: dict[str, int] = {}
    structural, semantic = _results(of["structural"]), _results(of["semantic"])
    is_counted = (structural == 1) & (semantic != UNKNOWN)
    is_answered, is_fallback = (np.array(of[name], dtype=bool) for name in ("is_answered", "is_fallback"))
    return Table(
        structural=structural,
        semantic=semantic,
        blind=np.where(is_counted, 1 - semantic, UNKNOWN).astype(np.int8),
        clusters=_codes([numbers.setdefault(name, len(numbers)) for name in of["cluster"]]),
        is_own=is_answered & ~is_fallback,
        is_fallback=is_fallback,
        from_cache=np.array(of["from_cache"], dtype=bool),
        is_missed=np.array([outcome == "missed" for outcome in of["outcome"]], dtype=bool),
        is_unscored=np.array([outcome == "unscored" for outcome in of["outcome"]], dtype=bool),
        error_kinds=np.array(of["error_kind"], dtype=object),
        json_kinds=np.array(of["json_kind"], dtype=object),
        recoverable=_results(of["is_recoverable"]),
        latency_s=_amounts(of["latency_s"]),
        ttft_s=_amounts(of["ttft_s"]),
        tokens_in=_amounts(of["tokens_in"]),
        tokens_out=_amounts(of["tokens_out"]),
        cost_usd=_amounts(of["cost_usd"]),
        paid_usd=_amounts(of["paid_usd"]) + _amounts(of["judge_paid_usd"]),
        judge_tokens_in=_codes(of["judge_tokens_in"]),
        judge_tokens_out=_codes(of["judge_tokens_out"]),
        judge_counted=_codes(of["judge_counted"]),
        judge_cost_usd=_amounts(of["judge_cost_usd"]),
        judge_latency_s=_amounts([one.judge_latency_s for one in facts]),
        repeats=_codes(of["repeat"]),
        checks=_checks(facts),
        scores=_named(of["scores"]),
        covariates=_named(of["covariates"]),
    )


def _checks(facts: Sequence[Facts]) -> dict[tuple[str, str], Results]:
    """Return the results of each check and judge, in order of appearance, of the model's own answers."""
    found: dict[tuple[str, str], Results] = {}
    for place, one in enumerate(facts):
        if not one.is_answered or one.is_fallback:
            continue
        for name, kind, passed in one.checks:
            if (name, kind) not in found:
                found[name, kind] = np.full(len(facts), UNKNOWN, dtype=np.int8)
            has_failed = found[name, kind][place] == 0  # where a name occurs twice, all of them must pass
            found[name, kind][place] = passed and not has_failed
        for judge, _hash, status, verdict in one.verdicts:
            if (judge, "judge") not in found:
                found[judge, "judge"] = np.full(len(facts), UNKNOWN, dtype=np.int8)
            if status == "scored":
                found[judge, "judge"][place] = verdict is True
    return found


def _named(values: Sequence[Mapping[str, float]]) -> dict[str, Amounts]:
    """Return the numbers of each name, in order of appearance."""
    names = dict.fromkeys(name for one in values for name in one)
    return {name: _amounts([one.get(name) for one in values]) for name in names}


def _results(values: Sequence[bool | None]) -> Results:
    return np.array(list(map(_RESULT.__getitem__, values)), dtype=np.int8)


def _codes(values: Sequence[int]) -> Codes:
    return np.array(values, dtype=np.int64)


def _amounts(values: Sequence[float | None]) -> Amounts:
    return np.array(values, dtype=np.float64)  # None becomes nan


def _each(columns: Mapping[_Name, npt.NDArray[Any]], inside: Codes) -> dict[_Name, npt.NDArray[Any]]:
    return {name: column[inside] for name, column in columns.items()}
