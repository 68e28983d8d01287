"""Two versions of a judge on the same answers: what changed, in whose favour, and what each cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from swapgate.facts import cluster_of
from swapgate.facts.amounts import list_price, price_paid, served_ids
from swapgate.records import Trial, Verdict
from swapgate.stats.agreement import cohen_kappa, gwet_ac, percent_agreement
from swapgate.stats.interval import Interval
from swapgate.stats.paired import PairedDifference, paired_difference
from swapgate.stats.scores import paired_scores
from swapgate.values import Value

CONFIDENCE = 0.95
Key = tuple[str, str, str, int]


class ChangedVerdict(Value):
    """One answer of which the two say something else; None where one of them gave no verdict."""

    suite: str
    case: str
    model: str
    repeat: int
    before: bool | None
    after: bool | None
    reason_before: str
    reason_after: str


class CriterionShift(Value):
    """How one criterion's scores moved, after minus before; None where `note` says why."""

    criterion: str
    pairs: int
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    note: str = ""


class Version(Value):
    """One side: the definition's hash, the judge's model as named and as served, and its calls' cost."""

    run: str
    definition_hash: str
    model: str
    served: tuple[str, ...]
    cost_usd: float | None
    paid_usd: float | None


class JudgeChange(Value):
    """One judge before and after, on the answers that both gave a verdict on (`answers`).

    `verdicts` holds the paired table: its baseline is before, its candidate after. `other_answers` are pairs
    of trials whose answers differ, `no_verdict` those of which a side has an error or was not asked; neither
    is compared. `confidence` is that of all intervals.
    """

    judge: str
    before: Version
    after: Version
    answers: int
    other_answers: int
    no_verdict: int
    verdicts: PairedDifference
    agreement: Interval
    kappa: Interval
    ac1: Interval
    criteria: tuple[CriterionShift, ...]
    changed: tuple[ChangedVerdict, ...]
    confidence: float = CONFIDENCE


class _Pair(Value, kw_only=False):
    trial: Trial
    before: Verdict
    after: Verdict


def judge_changes(
    before: Iterable[Trial], after: Iterable[Trial], *, run_before: str, run_after: str
) -> tuple[JudgeChange, ...]:
    """Return each judge that scored both runs' trials, by name; trials pair by suite, case, model, repeat."""
    earlier = {_key(trial): trial for trial in before}
    pairs: dict[str, list[_Pair]] = {}
    others: dict[str, int] = {}
    for trial in after:
        known = earlier.get(_key(trial))
        if known is None:
            continue
        for pair in _verdict_pairs(known, trial):
            pairs.setdefault(pair.after.judge, [])
            others.setdefault(pair.after.judge, 0)
            if _said(known) == _said(trial):
                pairs[pair.after.judge].append(pair)
            else:
                others[pair.after.judge] += 1
    return tuple(
        _change(judge, pairs[judge], others[judge], run_before, run_after) for judge in sorted(pairs)
    )


def _key(trial: Trial) -> Key:
    return trial.suite, trial.case, trial.model, trial.repeat


def _said(trial: Trial) -> object:
    """Return the answer's text and tool calls, whose ids are the service's."""
    if trial.answer is None:
        return None
    response = trial.answer.response
    return response.text, [(call.name, call.arguments) for call in response.tool_calls]


def _verdict_pairs(before: Trial, after: Trial) -> Iterator[_Pair]:
    said = {verdict.judge: verdict for verdict in before.verdicts}
    for verdict in after.verdicts:
        if verdict.judge in said:
            yield _Pair(after, said[verdict.judge], verdict)


def _change(judge: str, pairs: Sequence[_Pair], others: int, run_before: str, run_after: str) -> JudgeChange:
    both = [p for p in pairs if p.before.passed is not None and p.after.passed is not None]
    first, second = [p.before.passed is True for p in both], [p.after.passed is True for p in both]
    clusters = [cluster_of(p.trial) for p in both]
    return JudgeChange(
        judge=judge,
        before=_version(run_before, [p.before for p in pairs]),
        after=_version(run_after, [p.after for p in pairs]),
        answers=len(both),
        other_answers=others,
        no_verdict=len(pairs) - len(both),
        verdicts=paired_difference(first, second, clusters, confidence=CONFIDENCE),
        agreement=percent_agreement(_table(first, second), confidence=CONFIDENCE),
        kappa=cohen_kappa(first, second, categories=[0, 1], confidence=CONFIDENCE),
        ac1=gwet_ac(_table(first, second), categories=[0, 1], confidence=CONFIDENCE),
        criteria=tuple(_shifts(both, clusters)),
        changed=tuple(_changed(p) for p in pairs if p.before.passed is not p.after.passed),
    )


def _table(first: Sequence[bool], second: Sequence[bool]) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in zip(first, second, strict=True)]


def _shifts(pairs: Sequence[_Pair], clusters: Sequence[str]) -> Iterator[CriterionShift]:
    names = dict.fromkeys(name for p in pairs for name in p.after.scores)
    for name in names:
        scored = [
            (p.before.scores[name], p.after.scores[name], cluster)
            for p, cluster in zip(pairs, clusters, strict=True)
            if name in p.before.scores and name in p.after.scores
        ]
        if not scored:
            continue
        found = paired_scores(*map(list, zip(*scored, strict=True)), confidence=CONFIDENCE)
        means = found.means
        yield CriterionShift(
            criterion=name,
            pairs=len(scored),
            before=means.baseline,
            after=means.candidate,
            difference=means.difference.estimate,
            low=means.difference.low,
            high=means.difference.high,
            p_value=found.test.p_value,
            note=means.difference.note,
        )


def _version(run: str, verdicts: Sequence[Verdict]) -> Version:
    replies = [s.answer for v in verdicts for s in v.samples if s.answer is not None]
    answers = [answer for v in verdicts for answer in v.answers]
    return Version(
        run=run,
        definition_hash=", ".join(dict.fromkeys(v.definition_hash for v in verdicts)),
        model=", ".join(dict.fromkeys(v.model for v in verdicts)),
        served=served_ids(replies),
        cost_usd=list_price(answers),
        paid_usd=price_paid(answers),
    )


def _changed(pair: _Pair) -> ChangedVerdict:
    trial = pair.trial
    return ChangedVerdict(
        suite=trial.suite,
        case=trial.case,
        model=trial.model,
        repeat=trial.repeat,
        before=pair.before.passed,
        after=pair.after.passed,
        reason_before=pair.before.reason,
        reason_after=pair.after.reason,
    )


def changed_to(change: JudgeChange) -> Mapping[str, list[ChangedVerdict]]:
    """Return the changed verdicts by their direction: to pass, to fail, and where a side has none."""
    kinds: dict[str, list[ChangedVerdict]] = {"to pass": [], "to fail": [], "no verdict": []}
    for one in change.changed:
        if one.before is None or one.after is None:
            kinds["no verdict"].append(one)
        else:
            kinds["to pass" if one.after else "to fail"].append(one)
    return kinds
