"""Answers priced as of today: those of stored runs, or one of a given size."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.projection import MonthlyCost, PricedAnswer, monthly_cost
from swapgate.errors import UsageError
from swapgate.facts import cluster_of
from swapgate.memory.prices import PriceList, price_list
from swapgate.records import Run, Trial, Usage
from swapgate.runs.stored import load_run
from swapgate.spec.models import Catalogue, ModelSpec
from swapgate.spec.settings import Settings
from swapgate.values import Value


class Counted(Value):
    """A model with its answers, and how many more had no token counts.

    `goes_by_hours` says that it has dearer hours: the answers are then priced as of this one.
    """

    name: str
    answers: Sequence[PricedAnswer]
    uncounted: int = 0
    goes_by_hours: bool = False

    def monthly(self, requests: int) -> MonthlyCost:
        """Return what the model costs for so many requests a month."""
        return monthly_cost(
            self.name,
            self.answers,
            requests=requests,
            uncounted=self.uncounted,
            goes_by_hours=self.goes_by_hours,
        )


def of_size(catalogue: Catalogue, names: Sequence[str], *, tokens_in: int, tokens_out: int) -> list[Counted]:
    """Return every model with one answer of the given size."""
    if not names:
        raise UsageError("--tokens-in and --tokens-out are the same for every model: name them with --model")
    usage = Usage(tokens_in=tokens_in, tokens_out=tokens_out)
    found = []
    for name in names:
        prices = _prices(catalogue.resolve(name))
        cost = prices.at().cost_usd(usage)
        assert cost is not None  # its tokens are known
        answer = PricedAnswer(key="", cluster="", tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost)
        found.append(Counted(name=name, answers=[answer], goes_by_hours=prices.goes_by_hours))
    return found


def recorded(
    settings: Settings, catalogue: Catalogue, runs: Sequence[str], names: Sequence[str]
) -> list[Counted]:
    """Return the models of the runs with their answers, in the order of `names` where those are given."""
    found: dict[str, Counted] = {}
    for written in runs:
        run, trials = load_run(written, settings)
        for name, own in _by_model(trials).items():
            if name in found:
                raise UsageError(f"{name} is in several of the runs: name one as {name}@RUN")
            if not names or name in names:
                found[name] = _counted(name, own, _prices(_spec(catalogue, run, name)))
    absent = [name for name in names if name not in found]
    if absent:
        raise UsageError(f"no answers of {', '.join(absent)} in {', '.join(runs)}: `swapgate history list`")
    return [found[name] for name in names] if names else list(found.values())


def _by_model(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Return the trials of each model, the baseline first: it is what runs now."""
    parted: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.role != "baseline"):
        parted.setdefault(trial.model, []).append(trial)
    return parted


def _spec(catalogue: Catalogue, run: Run, name: str) -> ModelSpec:
    """Return a model as models.yml has it today, with its price; else as the run recorded it."""
    if name in catalogue.names():
        return catalogue.resolve(name)
    known = next((model for model in run.models if model.name == name), None)
    if known is None:
        return catalogue.resolve(name)
    return ModelSpec(name=name, provider=known.provider, model=known.model, base_url=known.base_url)


def _prices(spec: ModelSpec) -> PriceList:
    found = price_list(spec)
    if found is None:
        raise UsageError(
            f"nobody knows what {spec.name} ({spec.provider} {spec.model}) costs, and no other model's price "
            "is taken for it: write `price: {input: ..., output: ...}` for it in models.yml, in US dollars "
            "per million tokens"
        )
    return found


def _counted(name: str, trials: Sequence[Trial], prices: PriceList) -> Counted:
    answers = []
    for trial in trials:
        usage = trial.answer.response.usage if trial.answer else None
        cost = prices.at().cost_usd(usage) if usage else None
        if usage is None or cost is None or usage.tokens_in is None or usage.tokens_out is None:
            continue
        answers.append(
            PricedAnswer(
                key=f"{trial.suite}/{trial.case}#{trial.repeat}",
                cluster=cluster_of(trial),
                tokens_in=usage.tokens_in,
                tokens_out=usage.tokens_out,
                cost_usd=cost,
            )
        )
    if not answers:
        raise UsageError(
            f"no answer of {name} has token counts, so nothing says what it costs: "
            "give --tokens-in and --tokens-out"
        )
    uncounted = len(trials) - len(answers)
    return Counted(name=name, answers=answers, uncounted=uncounted, goes_by_hours=prices.goes_by_hours)
