"""Limits that nobody told, under a simulated clock: what is used of them, and what is rejected.

600 calls of 0.2 s against ten a second, the worst of the seeds. Then two models behind one limit, limits of
tokens, limits that rise, and servers that refuse at random or what exceeds a number of calls at once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # see statistics.py; the servers are those of the tests

from benchmarks.table import Row, run
from simulated import (
    TELLS,
    TOO_MANY,
    FixedWindow,
    Limit,
    Run,
    Server,
    SlidingWindow,
    TokenBucket,
    TokenServer,
    ask_for_tokens,
    crowded,
    now,
    refusing,
    simulate,
    turning_seconds_away,
    two_models,
)
from swapgate.errors import ErrorKind, ProviderError

A_SECOND = 10
LIMITS: dict[str, Callable[[int], Limit]] = {
    "a bucket of 1": lambda _seed: TokenBucket(A_SECOND, holds=1),
    "a bucket of 3": lambda _seed: TokenBucket(A_SECOND, holds=3),
    "a bucket of 10": lambda _seed: TokenBucket(A_SECOND, holds=10),
    "a bucket of 20": lambda _seed: TokenBucket(A_SECOND, holds=20),
    "a sliding window": lambda _seed: SlidingWindow(A_SECOND),
    "a fixed window": lambda seed: FixedWindow(A_SECOND, phase=seed / 4),
}


def measure_all(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    seeds = range(1) if quick else range(4)
    for name in LIMITS:
        for tells in TELLS:
            yield from one_model(name, tells, seeds, calls=600)
    for name in LIMITS:
        for tells in TELLS:
            yield from several_models(name, tells, seeds)
    yield from tokens("tokens told", seeds)
    yield from tokens("tokens told, max_tokens counted", seeds, counts_most=True)
    yield from tokens("tokens_per_minute", seeds, tokens_per_minute=60_000)
    for name in ("a bucket of 1", "a bucket of 10"):
        yield rise(name, seeds)
    yield hedges_turned_away()
    for share in (0.2, 0.5, 0.7):
        yield from random_refusals(share, seeds)
    for borne in (8, 20, 50):
        yield from refusals_of_more(borne, seeds)
    for concurrency in (64, 256):
        yield short_random_refusals(concurrency, seeds)
    for share in (0.05, 0.2, 0.5):
        yield random_rejections(share, seeds)
    for borne in (8, 50):
        yield short_refusals_of_more(borne, seeds)


def one_model(name: str, tells: str, seeds: range, *, calls: int) -> Iterator[Row]:
    """One model at 16, 64 and 256 calls at once; `beside` has the wider ones."""

    async def drive(seed: int, concurrency: int) -> tuple[float, float]:
        server = Server(LIMITS[name](seed), retry_after=TELLS[tells], seed=seed)
        of_run = Run(concurrency=concurrency, seed=seed)
        await of_run.ask_many(of_run.open(server), calls)
        accepted = [at for at, is_accepted in server.seen if is_accepted]
        span_s = accepted[-1] - accepted[0] + 1 / A_SECOND
        return calls / span_s / A_SECOND, server.rejected / len(server.seen)

    found = {c: [simulate(drive(seed, c)) for seed in seeds] for c in (16, 64, 256)}
    used = {c: min(share for share, _rejected in each) for c, each in found.items()}
    rejected = {c: max(share for _used, share in each) for c, each in found.items()}
    for goal, limit, values in (("used", ">= 0.95", used), ("rejected", "<= 0.02", rejected)):
        beside = {f"c = {c}": values[c] for c in (64, 256)}
        yield Row(goal=f"{name}, {tells}, c = 16: {goal}", value=values[16], limit=limit, beside=beside)


def several_models(name: str, tells: str, seeds: range) -> Iterator[Row]:
    """Two models with one key: behind one limit, and with a limit of ten and one of forty a second."""
    shared = [
        simulate(two_models((limit := LIMITS[name](seed)), limit, TELLS[tells], seed=seed, calls=(300, 300)))
        for seed in seeds
    ]
    yield Row(
        goal=f"two models behind {name}, {tells}: time / least",
        value=max(took_s for took_s, _share in shared) / 60,
        limit="<= 1.3",
        beside={"first to end / last": min(share for _took_s, share in shared)},
    )


def tokens(name: str, seeds: range, *, counts_most: bool = False, **limits: float) -> Iterator[Row]:
    """A minute's tokens, told by headers or written in models.yml, and prompts of very different lengths."""
    a_minute = 240_000 if counts_most else 60_000

    def drive(seed: int, concurrency: int) -> tuple[float, float]:
        server = TokenServer(a_minute, counts_most=counts_most, seed=seed)
        of_run = {"calls": 400, "concurrency": concurrency, "seed": seed}
        return simulate(ask_for_tokens(server, tells=not limits, **of_run, **limits))

    found = {c: [drive(seed, c) for seed in seeds] for c in (16, 64)}
    used = {c: min(share for share, _rejected in each) for c, each in found.items()}
    rejected = {c: max(share for _used, share in each) for c, each in found.items()}
    for goal, limit, values in (("used", ">= 0.95", used), ("rejected", "<= 0.02", rejected)):
        yield Row(
            goal=f"{name}, c = 16: {goal}", value=values[16], limit=limit, beside={"c = 64": values[64]}
        )


def rise(name: str, seeds: range) -> Row:
    """Five a second become fifty: the seconds that are lost until that is used."""

    async def drive(seed: int) -> float:
        limit = TokenBucket(5, holds=1 if name.endswith(" 1") else 5)
        of_run = Run(concurrency=64, seed=seed)
        model = of_run.open(Server(limit, retry_after=TELLS["exactly"], seed=seed))
        await of_run.ask_many(model, 300)
        limit.rate, limit.holds = 50.0, limit.holds * 10 if limit.holds > 1 else 1
        started = now()
        await of_run.ask_many(model, 3000)
        return now() - started - 3000 / 50

    worst_s = max(simulate(drive(seed)) for seed in seeds)
    return Row(goal=f"{name} rises tenfold: s lost", value=worst_s, limit="<= 60")


def hedges_turned_away() -> Row:
    """429 for a call that is on its way already: the time with --hedge=p95 over the one without."""
    error = ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=5.0)
    without_s, _none = simulate(turning_seconds_away(error, hedge=None))
    took_s, away = simulate(turning_seconds_away(error, hedge=0.95))
    return Row(
        goal="429 for every second attempt, --hedge=p95: time / without",
        value=took_s / without_s,
        limit="<= 1.05",
        beside={"turned away of 500": away},
    )


def random_refusals(share: float, seeds: range) -> Iterator[Row]:
    """529 for a share of the calls, whatever is sent; one that refuses none takes the least time."""
    found = [simulate(refusing(share, calls=3000, concurrency=64, seed=seed)) for seed in seeds]
    goal = f"529 at random for {share:.0%}, c = 64: "
    yield Row(goal=goal + "calls lost", value=max(errors for errors, _took_s, _sent in found), limit="<= 0")
    times = [took_s / (3000 * 0.2 / 64) for _errors, took_s, _sent in found]
    sent = max(sent for _errors, _took_s, sent in found)
    yield Row(
        goal=goal + "time / least, mean",
        value=sum(times) / len(times),
        limit=f"<= {2 / (1 - share):.3g}",
        beside={"worst": max(times), "sent / calls": sent},
    )


def short_random_refusals(concurrency: int, seeds: range) -> Row:
    """529 for half of 300 calls, at once: the seconds that they take."""
    found = [
        simulate(refusing(0.5, calls=300, concurrency=concurrency, seed=seed, is_quick=True))
        for seed in seeds
    ]
    return Row(
        goal=f"529 at random for 50% of 300 calls, c = {concurrency}: s",
        value=max(took_s for _errors, took_s, _sent in found),
        limit="<= 10",
        beside={"calls lost": max(errors for errors, _took_s, _sent in found)},
    )


def random_rejections(share: float, seeds: range) -> Row:
    """429 for a share of 1000 calls, whatever their rate: the seconds that they take, without it 3.1."""
    found = [
        simulate(refusing(share, calls=1000, concurrency=64, seed=seed, is_quick=True, error=TOO_MANY))
        for seed in seeds
    ]
    return Row(
        goal=f"429 at random for {share:.0%} of 1000 calls, c = 64: s",
        value=max(took_s for _errors, took_s, _sent in found),
        limit="<= 60",
        beside={"calls lost": max(errors for errors, _took_s, _sent in found)},
    )


def refusals_of_more(borne: int, seeds: range) -> Iterator[Row]:
    """529 for what exceeds so many calls at once."""
    found = [simulate(crowded(borne, calls=3000, concurrency=64, seed=seed)) for seed in seeds]
    goal = f"529 for more than {borne} at once, c = 64: "
    least_s = 3000 * 0.2 * math.exp(0.3**2 / 2) / borne
    yield Row(
        goal=goal + "time / least",
        value=max(took_s for _errors, took_s, _sent in found) / least_s,
        limit="<= 1.3",
        beside={"calls lost": max(errors for errors, _took_s, _sent in found)},
    )
    refused = max(1 - 1 / sent for _errors, _took_s, sent in found)
    yield Row(goal=goal + "refused", value=refused, limit="<= 0.15")


def short_refusals_of_more(borne: int, seeds: range) -> Row:
    """The same of 300 calls."""
    found = [simulate(crowded(borne, calls=300, concurrency=64, seed=seed)) for seed in seeds]
    return Row(
        goal=f"529 for more than {borne} at once, 300 calls, c = 64: refused",
        value=max(1 - 1 / sent for _errors, _took_s, sent in found),
        limit="<= 0.15",
        beside={"s": max(took_s for _errors, took_s, _sent in found)},
    )


if __name__ == "__main__":
    run(measure_all, description=__doc__)
