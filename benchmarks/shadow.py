"""What a shadow proxy costs the application: beside going direct, and beside a bare pass-through of aiohttp.

All processes share this machine's cores: the load, the service, the candidate, the proxy and its mirror. So
the ratios to the bare pass-through say more than the milliseconds, and the load on the machine is printed.
Every number is the best of some rounds, taken in turn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.loadtest.shadow_stage import Standing, bare, load, shadow
from benchmarks.loadtest.stopwatch import Mock, mock_server
from benchmarks.table import Row, run

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
