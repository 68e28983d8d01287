"""What accumulates on top of an API: latency budgets, prompt caches, tokens, chunks that a model made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from swapgate.errors import SpecError
from swapgate.facts import Facts
from swapgate.migration.checklist import Check, Said, done, not_applicable, still_open, unknown
from swapgate.migration.looked import Looked
from swapgate.records import Trial
from swapgate.reporting.format import seconds
from swapgate.spec.index import read_index_file
from swapgate.spec.prompt_entries import effective
from swapgate.stats.interval import Interval

_P50, _P95 = 0.5, 0.95
# Beyond what noise and rounding make of the same text: context limits and budgets are worth a look.
_GROWTH = 1.05


def latency_budget(looked: Looked, budget_s: float | None) -> Said:
    """Answers come as fast as they did: p50, p95 and the time to the first token, before and after."""
    from swapgate.stats.quantiles import fewest_for_quantile, quantile_interval

    old, new = looked.facts_of(looked.old), looked.facts_of(looked.new)
    before, after = _latencies(old), _latencies(new)
    if not before or not after:
        name = looked.old if not before else looked.new
        return unknown(f"no measured answer of {name} is stored", _run(looked))
    fewest = fewest_for_quantile(_P95)
    if min(len(before), len(after)) < fewest:
        told = f"{len(before):,} and {len(after):,} measured answers"
        return unknown(f"{told}: a p95 takes {fewest} of each model", _run(looked))
    was, now = quantile_interval(before, _P95), quantile_interval(after, _P95)
    told = (
        f"p50 {_change(before, after, _P50)}, p95 {_change(before, after, _P95)} ({len(after):,} answers)"
        f"; {_first_token(old, new)}"
    )
    if budget_s is not None:
        return _within(was_told=told, now=now, budget_s=budget_s, todo=_run(looked))
    if now.low is not None and was.high is not None and now.low > was.high:
        return still_open(told, "hold it against what waits for an answer: --latency-budget SECONDS")
    return done(f"{told}: not shown to be slower")


def _within(*, was_told: str, now: Interval, budget_s: float, todo: str) -> Said:
    """Hold the p95 against a budget: only what its interval shows is said."""
    told = f"{was_told}; the budget is {seconds(budget_s)} at p95"
    if now.high is not None and now.high <= budget_s:
        return done(told)
    if now.low is not None and now.low > budget_s:
        return still_open(told, "a faster model, shorter answers, or streaming")
    return unknown(f"{told}: too close to say", todo)


def _run(looked: Looked) -> str:
    return f"pytest --model={looked.new} --baseline={looked.old}"


def _first_token(old: Sequence[Facts], new: Sequence[Facts]) -> str:
    before, after = ([one.ttft_s for one in facts if one.ttft_s is not None] for facts in (old, new))
    if not before or not after:
        return "time to the first token is not recorded: `stream: true` in models.yml"
    return f"first token p50 {_change(before, after, _P50)}, p95 {_change(before, after, _P95)}"


def _change(before: Sequence[float], after: Sequence[float], share: float) -> str:
    from swapgate.stats.quantiles import quantile_interval

    was, now = (quantile_interval(values, share).estimate for values in (before, after))
    return f"{seconds(was)} -> {seconds(now)}"


def _latencies(facts: Sequence[Facts]) -> list[float]:
    """Return how long answers took that were really asked for: the cache's own say what they took then."""
    return [one.latency_s for one in facts if one.is_answered and one.latency_s is not None]


def prompt_cache(looked: Looked) -> Said:
    """The provider's cache of prompts is read as often as before."""
    shares = {name: _cached_share(looked.trials_of(name)) for name in (looked.old, looked.new)}
    missing = [name for name, share in shares.items() if share is None]
    if missing:
        return unknown(f"no count of cached tokens is stored for {', '.join(missing)}", _run(looked))
    before, after = shares[looked.old] or 0.0, shares[looked.new] or 0.0
    told = f"{before:.0%} of the input read from the provider's cache -> {after:.0%}"
    if before == after == 0:
        return not_applicable(f"{told}: nothing relies on it here")
    if after >= before - 0.05:
        return done(told)
    return still_open(told, "prompt_cache in models.yml, and what is shared first (docs/costs.md)")


def _cached_share(trials: Sequence[Trial]) -> float | None:
    counted = [
        (used.tokens_in, used.tokens_cached_in)
        for trial in trials
        if trial.answer is not None and (used := trial.answer.response.usage).tokens_in
    ]
    known = [(whole, cached) for whole, cached in counted if whole and cached is not None]
    return sum(cached for _whole, cached in known) / sum(whole for whole, _cached in known) if known else None


def prompt_prefix(looked: Looked) -> Said:
    """What all requests share stands where it stood, so that what is cached of it stays cached."""
    names = looked.workspace.prompts.names()
    if not names:
        return not_applicable("no prompt in files")
    changed = {}
    for name in names:
        prompt = looked.workspace.prompts.get(name)
        old, new = (_beginning(effective(prompt, spec).turns) for spec in (looked.old_spec, looked.new_spec))
        if old != new:
            changed[name] = f"{name} from character {_same_chars(old, new):,} on"
    if not changed:
        return done(f"the same beginning for both models in {len(names):,} of {len(names):,} prompts")
    told = f"it begins otherwise for {looked.new}: {', '.join(list(changed.values())[:3])}"
    return still_open(
        told, "expect a cold cache on the first day, and mark the new beginning: swapgate prompt diff"
    )


def _beginning(turns: Sequence[object]) -> str:
    return "\n".join(str(getattr(turn, "content", "")) for turn in turns).partition("{{")[0]


def _same_chars(one: str, other: str) -> int:
    differs = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differs, min(len(one), len(other)))


def tokenizer(looked: Looked) -> Said:
    """The same text takes no more tokens than it did: limits and prices are counted in them."""
    old, new = (_sent(looked.trials_of(name)) for name in (looked.old, looked.new))
    both = [key for key in old if key in new and old[key][0] == new[key][0]]
    if not both:
        return unknown("no case was sent to both models in the same words", _run(looked))
    chars = sum(len(old[key][0]) for key in both)
    before, after = (sum(side[key][1] for key in both) for side in (old, new))
    told = (
        f"{before / chars:.3f} tokens a character -> {after / chars:.3f}, {after / before - 1:+.0%} on "
        f"{len(both):,} equal requests"
    )
    if after <= _GROWTH * before:
        return done(told)
    return still_open(told, "look at max_tokens, context limits, and `swapgate cost project`")


def _sent(trials: Sequence[Trial]) -> Mapping[tuple[str, str, int], tuple[str, int]]:
    """Return the text that was sent for each case, and how many tokens it was."""
    return {
        (trial.suite, trial.case, trial.repeat): ("\n".join(turn.content for turn in trial.messages), tokens)
        for trial in trials
        if trial.answer is not None and (tokens := trial.answer.response.usage.tokens_in)
    }


def chunks(looked: Looked) -> Said:
    """No chunk of an index was made by the model that goes."""
    path = looked.index_config or looked.settings.root / "config" / "index.yml"
    if not path.is_file():
        return not_applicable("no config/index.yml")
    written = read_index_file(path, root=looked.settings.root).summarise
    if written is None:
        return done("no model makes text before it is embedded")
    if written.model not in {looked.old, looked.new}:
        return done(f"{written.model} summarises before embedding, and stays")
    try:
        looked.workspace.model(written.model)
    except SpecError as exc:
        return unknown(str(exc))
    if written.model == looked.old:
        return still_open(
            f"{looked.old} writes the summaries that are embedded, and goes: every document is to be written "
            "and embedded anew",
            "name the new model under `summarise`, then swapgate index reindex --dry-run",
        )
    return still_open(
        f"{looked.new} will write the summaries that are embedded: the index is another one",
        "swapgate index reindex --dry-run",
    )


def above(*, budget_s: float | None) -> Iterator[Check]:
    """Yield what is to be looked at above the API. `budget_s` is what an answer may take at p95."""
    for name, title, look in (
        ("latency", "Latency budgets hold", lambda looked: latency_budget(looked, budget_s)),
        ("cache", "Prompts are read from the provider's cache", prompt_cache),
        ("prefix", "Prompts begin as they did", prompt_prefix),
        ("tokens", "Text takes no more tokens", tokenizer),
        ("chunks", "No chunk is made by the model that goes", chunks),
    ):
        yield Check(name=name, part="above", title=title, look=look)
