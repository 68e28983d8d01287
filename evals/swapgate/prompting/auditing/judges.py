"""Whether a judge failed an answer for something that must not be there."""

from __future__ import annotations

from swapgate.judging.load import AnyJudge
from swapgate.prompting.negations import asks_whether_left
from swapgate.records import Verdict
from swapgate.spec.judge_kinds import ChecklistSpec
from swapgate.spec.judges import RubricSpec
from swapgate.spec.passrule import MAJORITY, PassRule

_FACT = "forbidden_"


def forbidden_by(verdict: Verdict, judge: AnyJudge | None) -> str:
    """Return the question about a prohibition that made a verdict fail, empty where it was none.

    Of a checklist it is an item that is `forbidden`, or one that asks whether something was left undone, and
    is not met. Of a rubric it is such a criterion without whose low score the rule would have passed.
    """
    spec = judge.spec if judge is not None else None
    if isinstance(spec, ChecklistSpec):
        return _of_checklist(verdict, spec)
    return _of_rubric(verdict, spec) if isinstance(spec, RubricSpec) else ""


def _of_checklist(verdict: Verdict, spec: ChecklistSpec) -> str:
    unmet = [name for name, score in verdict.scores.items() if score < MAJORITY]
    for name in unmet:
        item = spec.written_items.get(name)
        if item is not None and (item.forbidden or asks_whether_left(item.ask)):
            return item.ask
        if item is None and name.startswith(_FACT):
            return f"{name.replace('_', ' fact ')} of the case"
    return ""


def _of_rubric(verdict: Verdict, spec: RubricSpec) -> str:
    scales = spec.scores()
    bare = [name for name, scale in scales.items() if scale.is_bare]
    rule = PassRule.parse(spec.pass_, list(scales), bare=bare)
    for name, criterion in spec.criteria.items():
        if not asks_whether_left(criterion.ask) or name not in verdict.scores:
            continue
        best = {**verdict.scores, name: float(scales[name].high)}
        if rule.evaluate(best) and not rule.evaluate(dict(verdict.scores)):
            return criterion.ask
    return ""
