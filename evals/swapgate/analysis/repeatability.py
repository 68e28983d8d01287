"""What repeats say: which cases waver, and how often one of k answers, or all of k, would pass."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.table import ModelTrials
from swapgate.facts import Facts
from swapgate.stats.pass_k import pass_at_k, pass_hat_k
from swapgate.stats.repeats import flaky_cases, intraclass_correlation
from swapgate.values import Value


class FlakyCase(Value):
    """A case that both passed and failed."""

    suite: str
    case: str
    passed: int
    repeats: int


class AmongK(Value):
    """The chance that one of k answers passes (`at_least_one`), and that all do (`all_of`), with bounds."""

    k: int
    at_least_one: float | None
    at_least_one_low: float | None
    at_least_one_high: float | None
    all_of: float | None
    all_of_low: float | None
    all_of_high: float | None


class Repeatability(Value):
    """How one model wavers over the repeats of a case. `measure` is what passes.

    `between` is the share of the variance that lies between cases, None where it cannot be told. `flaky`
    holds the cases that wavered, those nearest to one half first.
    """

    model: str
    role: str
    measure: str
    repeats: int
    cases: int
    between: float | None
    among: tuple[AmongK, ...]
    flaky: tuple[FlakyCase, ...]
    note: str = ""


def repeatability(models: Sequence[ModelTrials]) -> tuple[Repeatability, ...]:
    """Return one entry a model that answered some case several times."""
    found = [_of(one.model, one.role, one.facts) for one in models if (one.table.repeats > 1).any()]
    return tuple(one for one in found if one is not None)


def _of(model: str, role: str, own: Sequence[Facts]) -> Repeatability | None:
    measure = "semantic" if any(f.semantic is not None for f in own) else "structural"
    results = [(f.semantic if measure == "semantic" else f.structural, f) for f in own]
    known = [(passed, f) for passed, f in results if passed is not None]
    repeats = max((f.repeat for _, f in known), default=1)
    if repeats < 2:
        return None
    passes, cases = [passed for passed, _ in known], [f"{f.suite}/{f.case}" for _, f in known]
    named = {f"{f.suite}/{f.case}": (f.suite, f.case) for _, f in known}
    clusters = [f.cluster for _, f in known]
    icc = intraclass_correlation(passes, cases)
    return Repeatability(
        model=model,
        role=role,
        measure=measure,
        repeats=repeats,
        cases=len(set(cases)),
        between=icc.between,
        among=tuple(_among(passes, cases, clusters, k) for k in sorted({2, repeats})),
        flaky=tuple(
            FlakyCase(suite=suite, case=case, passed=one.passed, repeats=one.repeats)
            for one in flaky_cases(passes, cases)
            for suite, case in (named[str(one.case)],)
        ),
        note=icc.note,
    )


def _among(passes: Sequence[bool], cases: Sequence[str], clusters: Sequence[str], k: int) -> AmongK:
    some, every = pass_at_k(passes, cases, clusters, k=k), pass_hat_k(passes, cases, clusters, k=k)
    return AmongK(
        k=k,
        at_least_one=some.estimate,
        at_least_one_low=some.low,
        at_least_one_high=some.high,
        all_of=every.estimate,
        all_of_low=every.low,
        all_of_high=every.high,
    )
