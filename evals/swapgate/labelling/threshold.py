"""From which score on a judge should let an answer pass, by people's labels. Its file is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.labelling.evidence import SEED, Evidence, codes_of
from swapgate.labelling.measured import Section, Table
from swapgate.reporting.format import percent
from swapgate.stats.pass_score import PassScore, choose_pass_score

# In so many draws of the labels the best bound must be better than the present one to be worth a change.
CLEAR = 0.95


def thresholds(evidence: Evidence) -> list[Section]:
    """Return a table of possible bounds for what the rule compares, and for each criterion on a scale."""
    rule = evidence.judge.rule
    bound = rule.bound
    values = {} if bound is None else {bound[0]: [rule.value(row.scores) for row in evidence.rows]}
    for name in evidence.judge.spec.scores():
        values.setdefault(name, [row.scores.get(name) for row in evidence.rows])
    return [
        _section(evidence, name, scores, now=bound[1] if bound and bound[0] == name else None)
        for name, scores in values.items()
        # What is only yes and no has no bound to choose.
        if len({*scores} - {None}) > 2
    ]


def _section(evidence: Evidence, name: str, scores: Sequence[float | None], *, now: float | None) -> Section:
    known = [(place, score) for place, score in enumerate(scores) if score is not None]
    places = [place for place, _score in known]
    rows = [evidence.rows[place] for place in places]
    weights = evidence.weights()
    found = choose_pass_score(
        [score for _place, score in known],
        [row.truth == "pass" for row in rows],
        clusters=codes_of(rows),
        weights=None if weights is None else weights[places],
        seed=SEED,
    )
    suggested = None if found.best is None else f"{name} >= {found.best:g}"
    return Section(
        key=f"pass_score_{name}",
        title=f"From which {name} on should it pass",
        lines=tuple(_said(found, name, now)),
        table=_table(found, now),
        facts={
            "now": now,
            "suggested": suggested,
            "lowest": found.lowest,
            "highest": found.highest,
            "optimism": None if found.optimism is None else round(found.optimism, 6),
            "cuts": [
                {
                    "score": cut.score,
                    "sensitivity": round(cut.sensitivity, 6),
                    "specificity": round(cut.specificity, 6),
                    "youden": round(cut.youden, 6),
                    "accuracy": round(cut.accuracy, 6),
                    "pass_share": round(cut.pass_share, 6),
                    "chosen": cut.chosen,
                    "beaten": cut.beaten,
                }
                for cut in found.cuts
            ],
        },
    )


def _said(found: PassScore, name: str, now: float | None) -> Iterator[str]:
    if found.best is None or found.lowest is None or found.highest is None:
        yield f"no score can be chosen: {found.note}"
        return
    span = f"{found.lowest:g}" if found.lowest == found.highest else f"{found.lowest:g} to {found.highest:g}"
    yield (
        f"best by Youden's index: `pass: {name} >= {found.best:g}`; other draws of these labels would have "
        f"chosen {span} (95%). Chosen on the labels that measure it, its index is too high by about "
        f"{found.optimism:.2f}"
    )
    yield _beside(found, now)


def _beside(found: PassScore, now: float | None) -> str:
    """Return what is to be done about the bound that the judge has now."""
    if now is None:
        return "the judge's own rule is no bound on this score alone: the table is for this score by itself"
    if now == found.best:
        return f"the judge passes from {now:g} on now, which is the best of these"
    beaten = next((cut.beaten for cut in found.cuts if cut.score == now), None)
    if beaten is not None and beaten < CLEAR:
        return (
            f"the judge passes from {now:g} on now, which {beaten:.0%} of the draws find worse: "
            "these labels do not tell the two apart, keep it or label more"
        )
    return (
        f"the judge passes from {now:g} on now: change `pass:` in its file yourself. The calls stay as they "
        "were, but the verdicts are then of another definition: label them anew with --reuse"
    )


def _table(found: PassScore, now: float | None) -> Table | None:
    if not found.cuts:
        return None
    header = ("pass from", "TPR", "TNR", "index", "accuracy", "passes", "chosen in")
    rows = [
        (
            f"{cut.score:g}"
            + (" (best)" if cut.score == found.best else "")
            + (" (now)" if cut.score == now else ""),
            percent(cut.sensitivity),
            percent(cut.specificity),
            f"{cut.youden:.2f}",
            percent(cut.accuracy),
            percent(cut.pass_share),
            percent(cut.chosen),
        )
        for cut in found.cuts
    ]
    return Table(header=header, rows=tuple(rows))
