"""What a report on a judge is made from: labels and pairs, the share of passes, the runs at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from swapgate.judging.load import AnyJudge
from swapgate.labelling.responses import response_id
from swapgate.records import JudgeCanaries, Trial, Verdict
from swapgate.spec.calibration import Calibration, cluster_of
from swapgate.spec.labels import LabelledVerdict
from swapgate.stats.clusters import cluster_codes, compact_codes
from swapgate.stats.judge_labels import Labels
from swapgate.values import Value

CONFIDENCE = 0.95
SEED = 0


class Evidence(Value):
    """A calibration and what belongs to it. `judged` are the judge's trials of the runs at hand.

    `missing` names runs that labels were drawn from and that are not at hand. `canaries` are those that the
    judge, as it is now, was tried with in these runs. `epsilon` is what the judge's
    lower price is worth in the alternative annotator test.
    """

    calibration: Calibration
    judge: AnyJudge
    judged: tuple[tuple[Trial, Verdict], ...] = ()
    missing: tuple[str, ...] = ()
    canaries: tuple[JudgeCanaries, ...] = ()
    epsilon: float = 0.2

    @property
    def rows(self) -> tuple[LabelledVerdict, ...]:
        """One row a response."""
        return self.calibration.rows

    @property
    def labels(self) -> Labels:
        """The rows as statistics take them."""
        return self.calibration.labels()

    @property
    def population(self) -> tuple[int, int] | None:
        """Passing and failing verdicts among what the labels were drawn from, None when nobody knows."""
        newest = {draw.run: draw for draw in self.calibration.draws}.values()
        counts = [model for draw in newest for model in draw.population.values()]
        if counts:
            return sum(c.passing for c in counts), sum(c.failing for c in counts)
        said = [verdict.passed for _trial, verdict in self.judged if verdict.passed is not None]
        return (said.count(True), said.count(False)) if said else None

    @property
    def pass_share(self) -> float | None:
        """The share of passing verdicts there, None where it is unknown or says nothing."""
        if self.population is None:
            return None
        passing, failing = self.population
        return passing / (passing + failing) if passing and failing else None

    @property
    def open(self) -> int:
        """How many of the drawn responses nobody has answered for."""
        newest = {draw.run: draw for draw in self.calibration.draws}.values()
        answered = {row.response for row in self.calibration.truths.written if row.response is not None}
        return max(sum(draw.count for draw in newest) - len(answered), 0)

    def weights(self) -> NDArray[np.float64] | None:
        """Return how many responses each row stands for, None when all stand for the same number."""
        share = self.pass_share
        if self.calibration.spec.design != "by_verdict" or share is None:
            return None
        is_pass = np.array([row.verdict == "pass" for row in self.rows])
        here = float(is_pass.mean()) if len(is_pass) else 0.0
        if here in (0.0, 1.0):
            return None
        return np.where(is_pass, share / here, (1 - share) / (1 - here)).astype(np.float64)

    def trial_of(self) -> Mapping[int, tuple[Trial, Verdict]]:
        """Return the trial of each row that the runs at hand hold, by the row's place."""
        by_id = {response_id(trial): (trial, verdict) for trial, verdict in self.judged}
        by_name = {(t.model, t.suite, t.case, t.repeat): (t, v) for t, v in self.judged}
        found = {}
        for place, row in enumerate(self.rows):
            name = (row.model or "", row.suite or "", row.case or "", row.repeat or 1)
            one = by_name.get(name) if row.response is None else by_id.get(row.response)
            if one is not None:
                found[place] = one
        return found


def judge_trials(trials: Iterable[Trial], judge: str) -> list[tuple[Trial, Verdict]]:
    """Return the trials that a judge was asked about, with what it said."""
    return [(t, v) for t in trials for v in t.verdicts if v.judge == judge and v.status != "skipped"]


def codes_of(rows: Iterable[LabelledVerdict]) -> NDArray[np.int64]:
    """Return the cluster of each row as a number."""
    return compact_codes(cluster_codes([cluster_of(row, place) for place, row in enumerate(rows)]))
