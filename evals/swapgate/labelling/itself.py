"""A judge by itself: does it say the same again, how often can it not be read, does it like long answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from swapgate.facts import cluster_of as trial_cluster
from swapgate.judging.subject import answer_text
from swapgate.labelling.evidence import CONFIDENCE, Evidence, codes_of
from swapgate.labelling.measured import Measure, Section
from swapgate.records import Verdict
from swapgate.spec.passrule import PassRule
from swapgate.stats.agreement import percent_agreement
from swapgate.stats.clusters import cluster_codes, compact_codes
from swapgate.stats.interval import Interval
from swapgate.stats.proportion import wilson_interval
from swapgate.stats.trend import superiority


def itself(evidence: Evidence) -> Section | None:
    """Return self-consistency over samples and the share that could not be read; None without a run."""
    verdicts = [verdict for _trial, verdict in evidence.judged]
    if not verdicts:
        return None
    replies = [sample for verdict in verdicts for sample in verdict.samples]
    status = Counter(sample.status for sample in replies)
    unread = sum(verdict.passed is None for verdict in verdicts)
    measures = [
        Measure.of(
            "verdicts without a result",
            wilson_interval(unread, len(verdicts), confidence=CONFIDENCE),
            n=len(verdicts),
            is_share=True,
        ),
        *_consistency(evidence, verdicts),
    ]
    if replies:
        bad = len(replies) - status["valid"]
        unusable = wilson_interval(bad, len(replies), confidence=CONFIDENCE)
        measures.insert(1, Measure.of("replies that cannot be used", unusable, n=len(replies), is_share=True))
    shown = ", ".join(f"{n} {name}" for name, n in sorted(status.items()) if name != "valid")
    return Section(
        key="itself",
        title="By itself",
        measures=tuple(measures),
        lines=(f"of the replies: {shown}",) if shown else (),
        facts={"replies": dict(sorted(status.items()))},
    )


def canaries(evidence: Evidence) -> Section | None:
    """Return how many answers that must fail it let pass, None where no run at hand has tried it."""
    results = [result for tried in evidence.canaries for result in tried.results]
    decided = [result for result in results if result.outcome != "error"]
    passed = [result for result in decided if result.outcome == "passed"]
    if not decided:
        return None
    share = wilson_interval(len(passed), len(decided), confidence=CONFIDENCE)
    names = ", ".join(dict.fromkeys(result.canary for result in passed))
    return Section(
        key="canaries",
        title="Does it pass what must fail",
        measures=(Measure.of("canaries let through", share, n=len(decided), is_share=True),),
        lines=(f"let through: {names}",) if names else (),
        facts={"passed": [result.canary for result in passed]},
    )


def length(evidence: Evidence) -> Section | None:
    """Return whether verdict and truth follow the answer's length, None where no length is known."""
    measures = list(_by_runs(evidence))
    rows = [row for row in evidence.rows if row.characters is not None]
    if rows:
        codes = codes_of(rows)
        sizes = np.array([row.characters for row in rows], dtype=np.float64)
        passed, right = (
            np.array([row.verdict == "pass" for row in rows]),
            np.array([row.truth == "pass" for row in rows]),
        )
        if not measures:
            measures.append(_longer("passed answers are longer", passed, sizes, codes))
        measures.append(_longer("truly right answers are longer", right, sizes, codes))
        for is_right, word in ((True, "right"), (False, "wrong")):
            among = right == is_right
            name = f"passed answers are longer, of the truly {word} ones"
            measures.append(_longer(name, passed[among], sizes[among], codes[among]))
    if not measures:
        return None
    line = "the chance that of two answers, of which one passes, that one is the longer: 50% is no preference"
    return Section(key="length", title="Does it like long answers", measures=tuple(measures), lines=(line,))


def _by_runs(evidence: Evidence) -> Iterator[Measure]:
    """Yield the preference among all verdicts of the runs at hand, where they are more than the labels."""
    known = [(t, v) for t, v in evidence.judged if v.passed is not None and t.answer is not None]
    if len(known) <= len(evidence.rows):
        return
    sizes = np.array([float(len(answer_text(t.answer.response))) for t, _v in known if t.answer])
    passed = np.array([verdict.passed is True for _trial, verdict in known])
    codes = compact_codes(cluster_codes([trial_cluster(trial) for trial, _verdict in known]))
    yield _longer("passed answers are longer", passed, sizes, codes)


def _longer(
    name: str, passed: NDArray[np.bool_], sizes: NDArray[np.float64], codes: NDArray[np.int64]
) -> Measure:
    clusters = compact_codes(codes) if len({*codes.tolist()}) not in (1, len(codes)) else None
    if len(passed) == 0:
        refused = Interval(estimate=None, low=None, high=None, confidence=CONFIDENCE, note="no such answer")
        return Measure.of(name, refused, n=0, is_share=True)
    found = superiority(passed.astype(np.float64), sizes, clusters, confidence=CONFIDENCE)
    return Measure.of(name, found, n=len(passed), is_share=True)


def _consistency(evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterator[Measure]:
    """Yield how often two samples of one response agree, in their verdict and in each criterion."""
    criteria = list(evidence.judge.spec.scores())
    samples = [{name: _scores(verdict, name) for name in criteria} for verdict in verdicts]
    said = [_verdicts(one, evidence.judge.rule) for one in samples]
    columns = {"verdict": said, **{name: [one[name] for one in samples] for name in criteria}}
    for name, values in columns.items():
        several = [own for own in values if len(own) > 1]
        if len(several) > 1:
            width = max(map(len, several))
            table = [[*own, *[None] * (width - len(own))] for own in several]
            found = percent_agreement(table, confidence=CONFIDENCE)
            yield Measure.of(f"{name}: two samples agree", found, n=len(several), is_share=True)


def _scores(verdict: Verdict, name: str) -> list[float]:
    return [s.scores[name] for s in verdict.samples if s.status == "valid" and name in s.scores]


def _verdicts(scores: dict[str, list[float]], rule: PassRule) -> list[float]:
    """Return what the rule makes of each sample by itself, as 1 and 0."""
    fewest = min((len(scores.get(name, ())) for name in rule.names), default=0)
    found = [rule.evaluate({name: scores[name][k] for name in rule.names}) for k in range(fewest)]
    return [float(passed) for passed in found if passed is not None]
