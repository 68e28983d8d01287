"""What a month of a feature costs with each model: from what its own answers took, priced as of today."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.stats.means import mean_interval, paired_mean_difference
from swapgate.values import Value

CONFIDENCE = 0.95


class PricedAnswer(Value):
    """One answer's tokens and list price. `key` names the request, so that models are compared on the same.

    `cluster` is the outermost group of answers that count as one.
    """

    key: str
    cluster: str
    tokens_in: int
    tokens_out: int
    cost_usd: float


class MonthlyCost(Value):
    """What one model costs for so many requests a month, in US dollars.

    `low` and `high` hold the mean's 95% interval, None where `note` says why. `uncounted` answers had no
    token counts and are in nothing. `tokens_in` and `tokens_out` are means of a request. `goes_by_hours` says
    that the model has dearer hours: it is priced as of this one.
    """

    model: str
    requests: int
    answers: int
    uncounted: int
    tokens_in: float
    tokens_out: float
    usd_per_request: float
    usd_per_month: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    goes_by_hours: bool = False


class Saving(Value):
    """What a month with `model` saves against `against`; negative where it costs more.

    `times` is how many times cheaper it is. The bounds are those of the difference on `pairs` requests that
    both answered, None without such.
    """

    model: str
    against: str
    usd_per_month: float
    times: float | None
    low: float | None = None
    high: float | None = None
    pairs: int = 0


class BreakEven(Value):
    """After how many months a saving has paid for a switch. `earliest` and `latest` come from its interval.

    `months` is None where nothing is saved, `latest` where the interval does not exclude that.
    """

    switching_usd: float
    months: float | None
    earliest: float | None = None
    latest: float | None = None


def monthly_cost(
    model: str,
    answers: Sequence[PricedAnswer],
    *,
    requests: int,
    uncounted: int = 0,
    goes_by_hours: bool = False,
) -> MonthlyCost:
    """Return what a model costs a month at the mean of these answers, of which there must be one.

    The interval is Student's t over clusters (stats.means): it says how well the answers tell the mean, not
    whether production asks for the same.
    """
    found = mean_interval([a.cost_usd for a in answers], [a.cluster for a in answers], confidence=CONFIDENCE)
    assert found.estimate is not None
    return MonthlyCost(
        model=model,
        requests=requests,
        answers=len(answers),
        uncounted=uncounted,
        tokens_in=sum(a.tokens_in for a in answers) / len(answers),
        tokens_out=sum(a.tokens_out for a in answers) / len(answers),
        usd_per_request=found.estimate,
        usd_per_month=found.estimate * requests,
        low=None if found.low is None else max(found.low, 0.0) * requests,
        high=None if found.high is None else found.high * requests,
        note=found.note,
        goes_by_hours=goes_by_hours,
    )


def saving(
    cost: MonthlyCost,
    against: MonthlyCost,
    *,
    answers: Sequence[PricedAnswer] = (),
    against_answers: Sequence[PricedAnswer] = (),
) -> Saving:
    """Return what one model saves against another; its interval from the requests that both answered."""
    ours, theirs = _by_key(answers), _by_key(against_answers)
    both = [key for key in ours if key in theirs]
    found = paired_mean_difference(
        [ours[key].cost_usd for key in both],
        [theirs[key].cost_usd for key in both],
        [ours[key].cluster for key in both],
        confidence=CONFIDENCE,
    ).difference
    return Saving(
        model=cost.model,
        against=against.model,
        usd_per_month=against.usd_per_month - cost.usd_per_month,
        times=against.usd_per_month / cost.usd_per_month if cost.usd_per_month > 0 else None,
        low=None if found.low is None else found.low * cost.requests,
        high=None if found.high is None else found.high * cost.requests,
        pairs=len(both),
    )


def break_even(saved: Saving, *, switching_usd: float) -> BreakEven:
    """Return when a saving has paid for the switch."""
    return BreakEven(
        switching_usd=switching_usd,
        months=_months(saved.usd_per_month, switching_usd),
        earliest=_months(saved.high, switching_usd),
        latest=_months(saved.low, switching_usd),
    )


def _by_key(answers: Sequence[PricedAnswer]) -> dict[str, PricedAnswer]:
    return {answer.key: answer for answer in answers}


def _months(usd_per_month: float | None, switching_usd: float) -> float | None:
    return switching_usd / usd_per_month if usd_per_month is not None and usd_per_month > 0 else None
