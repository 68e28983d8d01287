"""Escalation: a cheap judge first, a second model where the first is unsure; and how judges are opened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Unpack

from swapgate.judging.definition import definition_hash
from swapgate.judging.judge import Judge
from swapgate.judging.panel import About, Panel, is_settled_by_code, of_one_model, opinion_of
from swapgate.judging.scoring import short
from swapgate.judging.subject import Judged
from swapgate.records import Escalation, JudgeSample, Opinion, Request, Verdict
from swapgate.spec.extends import judge_files
from swapgate.spec.judge_models import VERDICT, Escalate, Point, point_of, reach_of, turns, weak_points
from swapgate.spec.judges import JudgeSpec
from swapgate.spec.passrule import PassRule
from swapgate.spec.source import read_yaml
from swapgate.values import replace


class Escalating(Judge):
    """A judge of two stages. `weak` are the points at which labels show the first one to err."""

    def __init__(self, spec: JudgeSpec, escalate: Escalate, *, weak: Collection[Point] = ()) -> None:
        super().__init__(spec)
        self.definition_hash = definition_hash(spec, self.kind, weak=weak)
        self.first = first_stage(spec)
        self.second = Judge(of_one_model(spec, escalate.to))
        self._escalate = escalate
        self._weak = weak

    async def judge(self, **about: Unpack[About]) -> Verdict:
        """Return the first stage's verdict, or the second's where the first is unsure; both stay in it.

        A second stage that fails leaves an error: the first one's verdict was not to be trusted.
        """
        first = await self.first.judge(**about)
        why = self.why_unsure(first)
        escalation = Escalation(to=self._escalate.to, why=why)
        if not why:
            return replace(first, definition_hash=self.definition_hash, escalation=escalation)
        second = await self.second.judge(**about)
        opinions: tuple[Opinion, ...] = first.opinions or (opinion_of(first),)
        return replace(
            second,
            definition_hash=self.definition_hash,
            reason=f"{second.reason} [escalated from {first.model}: {why}]",
            samples=(*first.samples, *second.samples),
            opinions=(*opinions, opinion_of(second, stage=2)),
            escalation=escalation,
        )

    def why_unsure(self, first: Verdict) -> str:
        """Return why the second stage is asked after this verdict of the first, an empty string if not."""
        if is_settled_by_code(first):
            return ""
        return why_unsure(first, self._escalate, self.rule, self._weak)

    def requests(self, judged: Judged, *, suite: str, case: str) -> list[Request]:
        """Return the first stage's requests about one answer, without sending them."""
        return self.first.requests(judged, suite=suite, case=case)


def why_unsure(verdict: Verdict, escalate: Escalate, rule: PassRule, weak: Collection[Point] = ()) -> str:
    """Return why a first verdict is not to be relied on, an empty string when it is.

    A first model that could not be reached is not unsure: its outage would be paid at the second's price.
    """
    when = escalate.when
    if verdict.status == "error":
        return f"undecided: {short(verdict.reason)}" if _is_undecided(verdict.samples, rule) else ""
    if verdict.status == "unscored":
        return "the panel agrees too little"
    if when.disagreement and verdict.agreement is not None and verdict.agreement < 1:
        who = "members" if verdict.opinions else "samples"
        return f"its {who} disagree: {verdict.agreement:.0%} say {'pass' if verdict.passed else 'fail'}"
    if turns(rule, verdict.scores, reach_of(when, rule.names)):
        return f"near the threshold of {rule.text}"
    for name in (VERDICT, *rule.names):
        score = float(verdict.passed is True) if name == VERDICT else verdict.scores.get(name)
        if score is not None and (name, point_of(score)) in weak:
            where = f"{name} {point_of(score)}" if name else f"a {'pass' if verdict.passed else 'fail'}"
            return f"its labels show many errors at {where}"
    return ""


def _is_undecided(samples: Sequence[JudgeSample], rule: PassRule) -> bool:
    """Whether a reply came that could not be used, or that could not assess what the rule asks about."""
    for sample in samples:
        wanted = [name for name in rule.names if sample.criterion in {None, name}]
        if sample.status != "valid" or any(name not in sample.scores for name in wanted):
            return True
    return False


def first_stage(spec: JudgeSpec) -> Judge:
    """Return the judge without what it escalates to: one model, or a panel."""
    alone = spec.model_copy(update={"escalate": None})
    return Judge(alone) if isinstance(spec.model, str) else Panel(alone)


def open_judge(spec: JudgeSpec, *, judges_dir: Path) -> Judge:
    """Return the judge of a definition; SpecError where a calibration that it needs does not hold."""
    first = first_stage(spec)
    if spec.escalate is None:
        return first
    return Escalating(spec, spec.escalate, weak=_weak(spec, spec.escalate, first, judges_dir))


def _weak(spec: JudgeSpec, escalate: Escalate, first: Judge, judges_dir: Path) -> tuple[Point, ...]:
    """Return the points at which the first stage's labels show it to err."""
    if escalate.when.errs is None:
        return ()
    from swapgate.spec.calibration import read_calibration

    name = escalate.calibration or spec.judge
    calibration = read_calibration(judges_dir, name)
    if calibration is None:
        why_not = f"`errs` needs labels, and there is no {name}.calibration.yml in {judges_dir.name}/; label "
        why_not += "verdicts of the first model, or drop `errs`"
    elif warning := calibration.warning(first.definition_hash):
        why_not = f"`errs` is about the first model alone, as `{name}` without `escalate`: {warning}"
    else:
        return weak_points(calibration.rows, errs=escalate.when.errs, names=first.rule.names)
    document = read_yaml(judge_files(judges_dir)[spec.judge])
    raise document.error(f"escalate: {why_not}", "/escalate")
