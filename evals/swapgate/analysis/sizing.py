"""How many cases a decision takes, what today's suite can show, and what it costs: asked before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import fmean

from swapgate.analysis.rule_scopes import floor_of
from swapgate.facts import Facts
from swapgate.memory.prices import cost_usd
from swapgate.records import Usage
from swapgate.spec.models import ModelSpec
from swapgate.stats.gate_odds import detectable_drop, gate_power
from swapgate.stats.planning import cases_for_power
from swapgate.stats.repeats import intraclass_correlation
from swapgate.values import Value

# Shares of the cases on which two models differ: hardly, as siblings do, as strangers do.
DISCORDANCES = (0.04, 0.10, 0.20)


class Shape(Value):
    """How the trials of a suite hang together.

    `cases` in `clusters`, each asked `repeats` times. `icc` is the share of the variance between clusters, 0
    where every trial is its own cluster, None where nothing is known of it; `deff` is how many trials are
    worth one independent trial.
    """

    cases: int
    clusters: int
    repeats: int
    icc: float | None
    deff: float

    @property
    def trials(self) -> int:
        """Trials of one model."""
        return self.cases * self.repeats

    @property
    def cluster_trials(self) -> float:
        """Mean trials of a cluster."""
        return self.trials / self.clusters if self.clusters else 1.0


class Power(Value):
    """What holds if the two models differ on a share `discordance` of the cases.

    `needed_cases` (in `needed_clusters`) give the power that was asked for; `passes` is that of today's suite
    for equal models. `worse` and `fails` are the smallest true drops that it shows with that power: as worse
    at all, and as worse by more than the margin. None where no number does.
    """

    discordance: float
    needed_cases: int | None
    needed_clusters: int | None
    passes: float
    worse: float | None
    fails: float | None


class Price(Value):
    """What a run costs with one model, at list price; None where the price or the tokens are unknown.

    `each_usd` is for one trial, `today_usd` for today's suite; a judge's calls come with every trial.
    """

    name: str
    role: str
    calls: int
    each_usd: float | None
    today_usd: float | None


class Sizing(Value):
    """A plan for a margin.

    `noise` is the share of cases on which the baseline differs from itself over its repeats: another model
    differs on no fewer. None without repeats.
    """

    margin: float
    power: float
    floor: int
    shape: Shape
    rate: float | None
    noise: float | None
    powers: tuple[Power, ...]
    prices: tuple[Price, ...]


def shape_of(facts: Sequence[Facts], *, repeats: int | None = None) -> Shape:
    """Return how a run's trials hang together; `repeats` plans another number of them.

    Of a run without repeats it is not known how alike they would be: they are taken to add nothing.
    """
    clusters = list({(f.suite, f.case): f.cluster for f in facts}.values())
    had = max((f.repeat for f in facts), default=1)
    planned = had if repeats is None else repeats
    icc = _icc(facts)
    if icc is not None and had == 1:
        icc = _with_like_repeats(icc, cases=len(clusters) / len(set(clusters)), repeats=planned)
    return _shape(clusters, repeats=planned, icc=icc)


def _with_like_repeats(icc: float, *, cases: float, repeats: int) -> float:
    """Return the share of the variance between clusters of so many cases when repeats only multiply them."""
    return (repeats * (1 + (cases - 1) * icc) - 1) / (repeats * cases - 1)


def unknown_shape(clusters: Sequence[str], *, repeats: int) -> Shape:
    """Return the shape of cases of which only the clusters are known, one entry a case."""
    return _shape(clusters, repeats=repeats, icc=None)


def _shape(clusters: Sequence[str], *, repeats: int, icc: float | None) -> Shape:
    size = len(clusters) * repeats / len(set(clusters)) if clusters else 1.0
    icc = 0.0 if size == 1 else icc
    return Shape(
        cases=len(clusters),
        clusters=len(set(clusters)),
        repeats=repeats,
        icc=icc,
        deff=1 + (size - 1) * (1.0 if icc is None else icc),
    )


def size_up(
    facts: Sequence[Facts],
    shape: Shape,
    *,
    margin: float,
    power: float,
    discordances: Sequence[float] = DISCORDANCES,
    models: Mapping[str, ModelSpec],
    judges: Mapping[str, str],
) -> Sizing:
    """Return the plan; `facts` are the baseline's trials (none: nothing is known but the suite's shape).

    `models` are priced with the baseline's tokens, `judges` maps each judge to its model's name.
    """
    known = [f.semantic if f.semantic is not None else f.structural for f in facts]
    passes = [one for one in known if one is not None]
    return Sizing(
        margin=margin,
        power=power,
        floor=floor_of(margin),
        shape=shape,
        rate=fmean(passes) if passes else None,
        noise=_noise(facts),
        powers=tuple(_power(shape, margin, power, share) for share in discordances),
        prices=(*_model_prices(facts, shape, models), *_judge_prices(facts, shape, judges)),
    )


def _power(shape: Shape, margin: float, power: float, discordance: float) -> Power:
    clusters = shape.clusters if shape.clusters < shape.trials else None
    needed = cases_for_power(
        margin=margin,
        discordance=discordance,
        power=power,
        cluster_size=shape.cluster_trials,
        icc=1.0 if shape.icc is None else shape.icc,
    )
    now = gate_power(
        shape.trials,
        difference=0.0,
        discordance=discordance,
        margin=margin,
        deff=shape.deff,
        clusters=clusters,
    )
    drop = detectable_drop(
        shape.trials,
        discordance=discordance,
        margin=margin,
        power=power,
        deff=shape.deff,
        clusters=clusters,
    )
    return Power(
        discordance=discordance,
        needed_cases=None if needed is None else ceil(needed.cases / shape.repeats),
        needed_clusters=None if needed is None else needed.clusters,
        passes=now.passes,
        worse=drop.worse,
        fails=drop.fails,
    )


def _icc(facts: Sequence[Facts]) -> float | None:
    """Return the share of the variance between clusters; None where no cluster holds several trials."""
    known = [(passed, f.cluster) for f in facts if (passed := _passed(f)) is not None]
    return intraclass_correlation([p for p, _ in known], [c for _, c in known]).between


def _noise(facts: Sequence[Facts]) -> float | None:
    """Return the chance that two repeats of a case differ, averaged over cases."""
    repeats: dict[tuple[str, str], list[bool]] = {}
    for one in facts:
        if (passed := _passed(one)) is not None:
            repeats.setdefault((one.suite, one.case), []).append(passed)
    several = [found for found in repeats.values() if len(found) > 1]
    return fmean(_differing(found) for found in several) if several else None


def _differing(found: Sequence[bool]) -> float:
    k, n = sum(found), len(found)
    return 2 * k * (n - k) / (n * (n - 1))


def _passed(facts: Facts) -> bool | None:
    return facts.semantic if facts.semantic is not None else facts.structural


def _model_prices(facts: Sequence[Facts], shape: Shape, models: Mapping[str, ModelSpec]) -> list[Price]:
    counted = [(f.tokens_in, f.tokens_out) for f in facts if f.is_own]
    known = [(i, o) for i, o in counted if i is not None and o is not None]
    mean = Usage(
        tokens_in=round(fmean(i for i, _ in known)) if known else None,
        tokens_out=round(fmean(o for _, o in known)) if known else None,
    )
    return [_price(name, "model", shape.trials, cost_usd(spec, mean), shape) for name, spec in models.items()]


def _judge_prices(facts: Sequence[Facts], shape: Shape, judges: Mapping[str, str]) -> list[Price]:
    judged = [f for f in facts if any(status in {"scored", "unscored"} for _, _, status, _ in f.verdicts)]
    if not judges:
        return []
    share = len(judged) / len(facts) if facts else 1.0
    amounts = [f.judge_cost_usd for f in judged]
    known = [amount for amount in amounts if amount is not None]
    each = fmean(known) if known and len(known) == len(amounts) else None
    made = [sum(one.calls for one in f.judging) for f in judged]
    calls = round(shape.trials * share * (fmean(made) if any(made) else len(judges)))
    name = ", ".join(f"{judge} ({model})" for judge, model in judges.items())
    return [_price(name, "judge", calls, None if each is None else each * share, shape)]


def _price(name: str, role: str, calls: int, each_usd: float | None, shape: Shape) -> Price:
    today = None if each_usd is None else each_usd * shape.trials
    return Price(name=name, role=role, calls=calls, each_usd=each_usd, today_usd=today)
