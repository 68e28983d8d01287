"""What a shadow proxy costs the application: beside going direct, and beside a bare pass-through of aiohttp.

All processes share this machine's cores: the load, the service, the candidate, the proxy and its mirror. So
the ratios to the bare pass-through say more than the milliseconds, and the load on the machine is printed.
Every number is the best of some rounds, taken in turn.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.loadtest.shadow_stage import COMPARED, Standing, bare, load, shadow
from benchmarks.loadtest.stopwatch import Mock, mock_server
from benchmarks.table import Row, run
from swapgate.shadow.store import ShadowStore

RATE = 300
CONNECTIONS = 64
HANGS_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One way to the service: at the offered rate, and at saturation."""

    p50_ms: float
    p99_ms: float
    per_s: float
    cpu_ms: float
    failed: int

    def best_with(self, other: Measured) -> Measured:
        """Return the better of two rounds in each number; failures add up."""
        return Measured(
            p50_ms=min(self.p50_ms, other.p50_ms),
            p99_ms=min(self.p99_ms, other.p99_ms),
            per_s=max(self.per_s, other.per_s),
            cpu_ms=min(self.cpu_ms, other.cpu_ms),
            failed=self.failed + other.failed,
        )


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    print(f"load on this machine before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores", flush=True)
    with mock_server() as service, mock_server() as candidate:
        load(service.url, "--rate", str(RATE), "--seconds", "1")  # warms up
        with (
            bare(service.url) as plain,
            shadow(service.url, candidate.url, share=0) as alone,
            shadow(service.url, candidate.url, share=1) as mirrored,
        ):
            direct = Standing(service.url, os.getpid())
            best = rounds(
                {"direct": direct, "bare": plain, "alone": alone, "mirrored": mirrored}, quick=quick
            )
        yield from latency("without mirroring", best["alone"], best, p50=0.6, p99=3.0)
        yield from throughput("without mirroring", best["alone"], best, limit=3000)
        yield from latency("100% mirrored", best["mirrored"], best, p50=0.8)
        yield from throughput("100% mirrored, healthy candidate", best["mirrored"], best, limit=2000)
        for name in ("hanging", "resetting"):
            behave(candidate, name)
            with (
                bare(service.url) as plain,
                shadow(service.url, candidate.url, share=1) as mirrored,
            ):
                found = rounds({"bare": plain, "mirrored": mirrored}, quick=quick)
            beside = {**best, "bare": found["bare"]}
            yield from throughput(f"100% mirrored, {name} candidate", found["mirrored"], beside, limit=2000)
        behave(candidate, "healthy")
        yield from comparing(service, candidate, quick=quick)
        behave(candidate, "hanging")
        yield memory(service, candidate, requests=20_000 if quick else 200_000)


def rounds(standing: Mapping[str, Standing], *, quick: bool) -> dict[str, Measured]:
    """Send both loads to each in turn, and return the best that each did.

    In turn and the best: what else this machine does in a moment is then nobody's.
    """
    best: dict[str, Measured] = {}
    for _ in range(2 if quick else 5):
        for name, one in standing.items():
            found = measured(one, 2 if quick else 4)
            best[name] = best[name].best_with(found) if name in best else found
    return best


def measured(standing: Standing, seconds: int) -> Measured:
    """Send both loads."""
    offered = load(standing.url, "--rate", str(RATE), "--seconds", str(seconds))
    before = standing.cpu_s()
    full = load(standing.url, "--connections", str(CONNECTIONS), "--seconds", str(seconds))
    return Measured(
        p50_ms=offered["p50_ms"],
        p99_ms=offered["p99_ms"],
        per_s=full["per_s"],
        cpu_ms=1000 * (standing.cpu_s() - before) / full["requests"],
        failed=int(offered["failed"] + full["failed"]),
    )


def latency(
    name: str, ours: Measured, beside: Mapping[str, Measured], *, p50: float, p99: float | None = None
) -> Iterator[Row]:
    """Yield what is added to going direct at the offered rate."""
    for goal, limit in (("p50", p50), ("p99", p99)):
        if limit is not None:
            of = [getattr(one, f"{goal}_ms") for one in (ours, beside["bare"], beside["direct"])]
            yield Row(
                goal=f"{name}: {goal} added at {RATE}/s, ms",
                value=of[0] - of[2],
                limit=f"<= {limit}",
                beside={"bare": of[1] - of[2], "direct": of[2]},
            )


def throughput(name: str, ours: Measured, beside: Mapping[str, Measured], *, limit: int) -> Iterator[Row]:
    """Yield the requests a second at saturation, the time of a core that one takes, and what failed."""
    bare, direct = beside["bare"], beside["direct"]
    yield Row(
        goal=f"{name}: requests/s at saturation",
        value=ours.per_s,
        limit=f">= {limit}",
        beside={"bare": bare.per_s, "direct": direct.per_s, "of bare": ours.per_s / bare.per_s},
    )
    yield Row(
        goal=f"{name}: time of a core for a request, of the bare pass-through's",
        value=ours.cpu_ms / bare.cpu_ms,
        limit="<= 1.5",
        beside={"ms": ours.cpu_ms, "bare ms": bare.cpu_ms},
    )
    yield Row(goal=f"{name}: requests that failed", value=ours.failed, limit="<= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """One way to compare: the application's latency, and what an exchange takes of the mirror."""

    p50_ms: float
    mirror_ms: float
    per_s: float
    mirrored_per_s: float

    def best_with(self, other: Mirrored) -> Mirrored:
        """Return the better of two rounds in each number."""
        return Mirrored(
            p50_ms=min(self.p50_ms, other.p50_ms),
            mirror_ms=min(self.mirror_ms, other.mirror_ms),
            per_s=max(self.per_s, other.per_s),
            mirrored_per_s=max(self.mirrored_per_s, other.mirrored_per_s),
        )


def comparing(service: Mock, candidate: Mock, *, quick: bool) -> Iterator[Row]:
    """Yield what live comparison costs the mirror, and the application, which must not notice it."""
    with ExitStack() as stack:
        standing = {
            name: stack.enter_context(shadow(service.url, candidate.url, share=1, compared=name))
            for name in COMPARED
        }
        for name, one in standing.items():  # a mirror that compares takes longer to start
            load(one.url, "--rate", "50", "--seconds", "1")
            settle(one)
            require_compared(one, name)
        best: dict[str, Mirrored] = {}
        for _ in range(2 if quick else 5):
            for name, one in standing.items():
                found = mirroring(one, 2 if quick else 4)
                best[name] = best[name].best_with(found) if name in best else found
    plain = best.pop("nothing")
    for name, limit in (("checks", 1.5), ("checks and similarity", 4.0)):
        found = best[name]
        yield Row(
            goal=f"compared by {name}: the mirror's time of a core for an exchange, of that without",
            value=found.mirror_ms / plain.mirror_ms,
            limit=f"<= {limit}",
            beside={"ms": found.mirror_ms, "without ms": plain.mirror_ms},
        )
        yield Row(
            goal=f"compared by {name}: p50 at {RATE}/s, ms more than without",
            value=found.p50_ms - plain.p50_ms,
            limit="<= 0.2",
            beside={"ms": found.p50_ms, "without ms": plain.p50_ms},
        )
        yield Row(
            goal=f"compared by {name}: requests/s at saturation",
            value=found.per_s,
            limit=">= 2000",
            beside={
                "without": plain.per_s,
                "mirrored/s": found.mirrored_per_s,
                "mirrored/s without": plain.mirrored_per_s,
            },
        )


def mirroring(standing: Standing, seconds: int) -> Mirrored:
    """Send both loads. At the offered rate nothing is shed: what the mirror takes is for what was offered."""
    before, cpu_s = standing.mirrored(), standing.mirror_cpu_s()
    offered = load(standing.url, "--rate", str(RATE), "--seconds", str(seconds))
    settle(standing)
    mirror_ms = 1000 * (standing.mirror_cpu_s() - cpu_s) / max(1, standing.mirrored() - before)
    before = standing.mirrored()
    full = load(standing.url, "--connections", str(CONNECTIONS), "--seconds", str(seconds))
    settle(standing)
    return Mirrored(
        p50_ms=offered["p50_ms"],
        mirror_ms=mirror_ms,
        per_s=full["per_s"],
        mirrored_per_s=(standing.mirrored() - before) / seconds,
    )


def require_compared(standing: Standing, name: str) -> None:
    """Raise unless all exchanges so far were compared as `name` says: what is not done costs nothing."""
    with closing(ShadowStore(standing.store)) as store:
        found = [one.comparison for one in store.exchanges()]
    assert all((one is None) == (name == "nothing") for one in found), name
    if "similarity" in name:
        assert all(one and one["candidate"]["similarity"] < 1 for one in found)


def settle(standing: Standing) -> None:
    """Wait until the mirror works, has done what waits, and has told so, which it does twice a second."""
    known = 0
    while (now := standing.mirrored()) != known or not now or standing.waiting():
        known = now
        time.sleep(1.5)


def behave(candidate: Mock, name: str) -> None:
    """Have the candidate answer at once, never, or by breaking the connection."""
    candidate.config(latency_s=HANGS_S if name == "hanging" else 0.0, resets=name == "resetting")


def memory(service: Mock, candidate: Mock, *, requests: int) -> Row:
    """Return what the proxy and its mirror grow by, after a tenth of the requests."""
    with ExitStack() as stack:
        standing = stack.enter_context(shadow(service.url, candidate.url, share=1))
        done, first = 0.0, 0.0
        while done < requests:
            done += load(standing.url, "--connections", str(CONNECTIONS), "--seconds", "5")["requests"]
            first = first or (standing.megabytes() if done >= requests / 10 else 0.0)
        grown = standing.megabytes() - first
    return Row(
        goal=f"memory of proxy and mirror over {requests:,} requests, candidate hangs, MB more",
        value=grown,
        limit="<= 25",
        beside={"MB after a tenth": first},
    )


if __name__ == "__main__":
    run(measure, description=__doc__)
