"""A candidate against a baseline on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swapgate.analysis.measures import cluster_of, semantic_result, structural_result
from swapgate.records import Trial
from swapgate.stats.paired import paired_difference

REASON_CHARS = 200
_MEASURES: dict[str, Callable[[Trial], bool | None]] = {
    "semantic": semantic_result,
    "structural": structural_result,
}
_Pair = tuple[Trial, Trial]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A case whose result differs between the two models."""

    suite: str
    case: str
    repeat: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus baseline of one rate on the pairs that both answered; None where it cannot be said.

    `low` and `high` bound the difference at `confidence` (90%: the gate's one-sided 5% on either side);
    `p_value` is McNemar's mid-p for "no difference", or its cluster-robust form when pairs come in clusters.
    `deff` is how many pairs are worth one independent pair.
    """

    measure: str
    suite: str | None
    candidate: str
    baseline: str
    pairs: int
    clusters: int
    both: int
    only_candidate: int
    only_baseline: int
    neither: int
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    note: str = ""
    deff: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is said about one candidate against one baseline. `unpaired` counts trials without a partner."""

    candidate: str
    baseline: str
    differences: tuple[Difference, ...]
    regressed: tuple[Flip, ...]
    fixed: tuple[Flip, ...]
    unpaired: int
    changed: int = 0


def compare(trials: Sequence[Trial], *, candidate: str, baseline: str) -> Comparison:
    """Compare two models on the trials that both have, paired by suite, case and repeat.

    Differences come overall first, then by suite, of the semantic and then of the structural rate. A trial
    whose partner is absent or did not answer is in no pair: `unpaired` counts those of both models.
    """
    ours, theirs = _by_key(trials, candidate, "candidate"), _by_key(trials, baseline, "baseline")
    found = [(theirs[key], trial) for key, trial in ours.items() if key in theirs]
    known = [(b, c) for b, c in found if _is_known(b) and _is_known(c)]
    pairs = [(b, c) for b, c in known if _is_same_question(b, c)]
    suites: dict[str | None, list[_Pair]] = {None: pairs}
    for pair in pairs:
        suites.setdefault(pair[1].suite, []).append(pair)
    return Comparison(
        candidate=candidate,
        baseline=baseline,
        differences=tuple(
            _difference(measure, suite, part, candidate=candidate, baseline=baseline)
            for suite, part in suites.items()
            for measure in _MEASURES
        ),
        regressed=tuple(_flip(c) for b, c in pairs if (b.outcome, c.outcome) == ("passed", "missed")),
        fixed=tuple(_flip(b) for b, c in pairs if (b.outcome, c.outcome) == ("missed", "passed")),
        unpaired=len(ours) + len(theirs) - 2 * len(known),
        changed=len(known) - len(pairs),
    )


def _by_key(trials: Sequence[Trial], model: str, role: str) -> dict[tuple[str, str, int], Trial]:
    """Return one model's trials by suite, case and repeat; its role decides when it is in both."""
    own = [t for t in trials if t.model == model]
    in_role = [t for t in own if t.role == role]
    return {(t.suite, t.case, t.repeat): t for t in in_role or own}


def _is_known(trial: Trial) -> bool:
    return structural_result(trial) is not None


def _is_same_question(baseline: Trial, candidate: Trial) -> bool:
    """Whether the case and every judge that scored both are the same for both; an old record may not say."""
    if None not in {baseline.case_hash, candidate.case_hash} and baseline.case_hash != candidate.case_hash:
        return False
    judged = {v.judge: v.definition_hash for v in baseline.verdicts}
    return all(judged.get(v.judge, v.definition_hash) == v.definition_hash for v in candidate.verdicts)


def _difference(
    measure: str, suite: str | None, pairs: Sequence[_Pair], *, candidate: str, baseline: str
) -> Difference:
    result = _MEASURES[measure]
    known = [(rb, rc, cluster_of(c)) for b, c in pairs for rb, rc in [(result(b), result(c))]]
    scored = [(rb, rc, cluster) for rb, rc, cluster in known if rb is not None and rc is not None]
    paired = paired_difference(
        [b for b, _, _ in scored], [c for _, c, _ in scored], [g for _, _, g in scored]
    )
    return Difference(
        measure=measure,
        suite=suite,
        candidate=candidate,
        baseline=baseline,
        pairs=paired.pairs,
        clusters=paired.clusters,
        both=paired.both,
        only_candidate=paired.only_candidate,
        only_baseline=paired.only_baseline,
        neither=paired.neither,
        estimate=paired.estimate,
        low=paired.low,
        high=paired.high,
        confidence=paired.confidence,
        p_value=paired.p_value,
        note=paired.note,
        deff=paired.deff,
    )


def _flip(failing: Trial) -> Flip:
    return Flip(suite=failing.suite, case=failing.case, repeat=failing.repeat, reason=_reason(failing))


def _reason(trial: Trial) -> str:
    """Return what failed first: a check with its first finding, else a judge with its reason."""
    for check in trial.checks:
        if not check.passed:
            said = check.findings[0].message if check.findings else ""
            return _shortened(f"{check.check}: {said}" if said else check.check)
    for verdict in trial.verdicts:
        if verdict.passed is not True:
            return _shortened(f"{verdict.judge}: {verdict.reason or verdict.status}")
    return ""


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= REASON_CHARS else line[: REASON_CHARS - 1] + "…"
