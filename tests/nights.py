"""Nights made up: stored runs of one suite, a night apart, whose answers a function draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from swapgate.analysis.nights import Night, night_of
from swapgate.errors import ErrorKind
from swapgate.facts import facts_of
from swapgate.memory.history import HistoryWriter
from swapgate.records import (
    Answer,
    CheckResult,
    ModelIdentity,
    Response,
    Run,
    ServedModel,
    Trial,
    TrialError,
    Usage,
)

MODEL, SUITE = "new", "triage"
START = datetime(2026, 9, 1, 2, 0, tzinfo=UTC)
VERSIONS = {"swapgate": "1.0", "pytest": "9.0"}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one night draws for one case."""

    structural: bool = True
    semantic: bool = True
    latency_s: float | None = 1.0
    is_errored: bool = False
    is_refused: bool = False
    from_cache: bool = False


@dataclass(frozen=True, kw_only=True)
class NightDrawn:
    """One night: what each case draws, and what is different in its manifest."""

    cases: Mapping[str, Drawn]
    served: str = "new-2026-04"
    fingerprint: str = "fp_1"
    run: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


def drawn(
    nights: int,
    *,
    cases: int = 50,
    rate: float | Callable[[int], float] = 0.95,
    seconds: Callable[[int], float] = lambda _night: 1.0,
    noise: float = 0.1,
    seed: int = 1,
    **more: Any,
) -> list[NightDrawn]:
    """Return nights whose pass rate is `rate`; latencies vary from night to night and call to call."""
    rng = np.random.default_rng(seed)
    found = []
    for night in range(nights):
        p = rate(night) if callable(rate) else rate
        load = seconds(night) * float(np.exp(rng.normal(0, noise)))
        passed, times = rng.random(cases) < p, load * np.exp(rng.normal(0, 0.3, cases))
        own = {
            f"c{i}": Drawn(semantic=bool(passed[i]), latency_s=float(times[i]), **more) for i in range(cases)
        }
        found.append(NightDrawn(cases=own))
    return found


def run_of(number: int, night: NightDrawn, *, end: datetime | None = None, total: int = 0) -> Run:
    """Return the record of a night's run; with `end` the last of `total` nights began then."""
    start = START if end is None else end - timedelta(days=total - 1)
    at = night.at or start + timedelta(days=number)
    run = Run(
        id=f"{at:%Y%m%d-%H%M%S}-{number:06x}",
        started_at=at.isoformat(timespec="milliseconds"),
        finished_at=(at + timedelta(minutes=5)).isoformat(timespec="milliseconds"),
        models=(
            ModelIdentity(name=MODEL, provider="openai", model="new-2026-04", params={"temperature": 0.1}),
        ),
        suites=(SUITE,),
        suite_hashes={SUITE: "5" * 64},
        prompt_hashes={f"{SUITE}/{MODEL}": "9" * 64},
        planned=len(night.cases),
        wanted=len(night.cases),
        is_complete=True,
        git_commit="a" * 40,
        git_dirty=False,
        versions=VERSIONS,
        served=(
            ServedModel(
                model=MODEL, ids=(night.served,), fingerprints=(night.fingerprint,), answers=len(night.cases)
            ),
        ),
    )
    return replace(run, **night.run)


def trials_of(night: NightDrawn) -> Iterable[Trial]:
    """Yield a night's trials."""
    for case, one in night.cases.items():
        trial = Trial(suite=SUITE, case=case, model=MODEL, case_hash=f"hash of {case}", prompt=SUITE)
        if one.is_errored:
            yield replace(trial, error=TrialError(kind=ErrorKind.SERVER, message="503"))
            continue
        response = Response(
            text="{}",
            finish_reason="refusal" if one.is_refused else "stop",
            usage=Usage(tokens_in=10, tokens_out=5),
            latency_s=one.latency_s,
        )
        yield replace(
            trial,
            answer=Answer(response=response, model=MODEL, from_cache=one.from_cache, cost_usd=0.001),
            checks=(
                CheckResult(check="json", kind="structural", passed=one.structural),
                CheckResult(check="expected", kind="semantic", passed=one.semantic),
            ),
        )


def nights_of(night: Sequence[NightDrawn], **placed: Any) -> list[Night]:
    """Return nights as the analysis takes them."""
    return [
        night_of(run_of(number, one, **placed), [facts_of(trial) for trial in trials_of(one)])
        for number, one in enumerate(night)
    ]


def store(history: Path, nights: Sequence[NightDrawn], *, end: datetime | None = None) -> list[Run]:
    """Store nights in a history; the last began at `end`, by default an hour ago."""
    end = end or datetime.now(UTC) - timedelta(hours=1)
    runs = []
    for number, night in enumerate(nights):
        run = run_of(number, night, end=end, total=len(nights))
        writer = HistoryWriter(history, run)
        for trial in trials_of(night):
            writer.add(trial)
        writer.finish(run)
        runs.append(run)
    return runs


__all__ = ["Drawn", "NightDrawn", "drawn", "nights_of", "run_of", "store", "trials_of"]
