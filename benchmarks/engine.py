"""How fast a run is: the whole process, every feature on, beside asyncio and aiohttp without a tool.

`ideal` is the sum of the latencies over the concurrency; `span` goes from the first request to the last
reply. `beside` are the same numbers of the plain script, and in the long form of the peers in the folder that
`SWAPGATE_PEERS` names (benchmarks/peers.md).
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.loadtest.peers import PLAIN, Peer, found, measure_again, measure_peers
from benchmarks.loadtest.stopwatch import Measured, Mock, measure, mock_server
from benchmarks.loadtest.workload import lay
from benchmarks.table import Row, run

CASES = 847
LATENCY_S = 0.2
# Concurrency: the limits of span / ideal and of wall / ideal.
LIMITS = {16: (1.03, 1.12), 64: (1.10, 1.4), 256: (1.4, 2.6)}
# Plugins of the development environment that a run has nothing to do with.
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:xdist")


def measure_all(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    with mock_server() as mock:
        with workspace(mock, 20) as root:
            run_suite(root, mock, concurrency=4)  # writes the bytecode that every later run finds
        peers = {} if quick else found()
        yield from fixed_latency(mock, (64,) if quick else tuple(LIMITS), peers)
        yield from no_latency(mock, peers)
        yield from collecting(mock)
        if not quick:
            yield from spread_latency(mock)
            yield from many_cases(mock)
            yield from memory_growth(mock)
        yield unused_plugin(mock)


def fixed_latency(mock: Mock, levels: Sequence[int], peers: Mapping[str, Peer]) -> Iterator[Row]:
    """847 cases, each one model call and one judge call of 200 ms."""
    for level in levels:
        others = measure_peers(
            {"plain": PLAIN} | dict(peers), mock, cases=CASES, concurrency=level, latency_s=LATENCY_S
        )
        with workspace(mock, CASES) as root:
            ours = run_suite(root, mock, concurrency=level, latency_s=LATENCY_S)
        span, wall = LIMITS[level]
        name = f"{CASES} cases, 200 ms, c = {level}"
        yield Row(
            goal=f"{name}: span / ideal",
            value=ours.span,
            limit=f"<= {span}",
            beside={other: one.span for other, one in others.items()},
        )
        yield Row(
            goal=f"{name}: wall / ideal",
            value=ours.wall,
            limit=f"<= {wall}",
            beside={other: one.wall for other, one in others.items()},
        )
        if level == 64:
            yield Row(
                goal="start to first request, s",
                value=ours.start_s,
                limit="<= 0.8",
                beside={"plain": others["plain"].start_s},
            )
            yield Row(goal="last reply to exit, s", value=ours.tail_s, limit="<= 0.5")
        if peers:
            yield from beside_peers(name, ours, others, leanest=min(others[peer].cpu_s for peer in peers))


def beside_peers(
    name: str, ours: Measured, others: Mapping[str, Measured], *, leanest: float
) -> Iterator[Row]:
    """Yield what a run takes of the machine; in CPU time, less than the leanest of the peers."""
    yield Row(
        goal=f"{name}: CPU ms a case",
        value=1000 * ours.cpu_s / CASES,
        limit=f"<= {1000 * leanest / CASES:.1f}",
        beside={other: 1000 * one.cpu_s / CASES for other, one in others.items()},
    )
    yield Row(
        goal=f"{name}: peak MB",
        value=ours.peak_mb,
        limit="<= 200",
        beside={other: one.peak_mb for other, one in others.items()},
    )


def no_latency(mock: Mock, peers: Mapping[str, Peer]) -> Iterator[Row]:
    """The same cases answered at once, then answered by the cache."""
    others = measure_peers({"plain": PLAIN} | dict(peers), mock, cases=CASES, concurrency=64, latency_s=0.0)
    with workspace(mock, CASES) as root:
        cold = run_suite(root, mock, concurrency=64)
        warm = run_suite(root, mock, concurrency=64)
    assert warm.requests == 0, "a rerun has called a model"
    yield Row(
        goal=f"{CASES} cases, no latency: ms a case",
        value=1000 * cold.wall_s / CASES,
        limit="<= 4",
        beside={other: 1000 * one.wall_s / CASES for other, one in others.items()},
    )
    again = measure_again(peers, mock, cases=CASES)
    yield Row(
        goal=f"{CASES} cases from the cache, s",
        value=warm.wall_s,
        limit="<= 2",
        beside={other: one.wall_s for other, one in again.items()},
    )


def spread_latency(mock: Mock) -> Iterator[Row]:
    """Latencies log-normal with a median of 200 ms."""
    with workspace(mock, CASES) as root:
        ours = run_suite(root, mock, concurrency=64, latency_s=LATENCY_S, sigma=0.5)
    yield Row(goal=f"{CASES} cases, log-normal, c = 64: span / ideal", value=ours.span, limit="<= 1.25")


def many_cases(mock: Mock) -> Iterator[Row]:
    """10,000 cases at c = 256."""
    for latency_s, limit in ((0.2, 1.4), (0.05, 5.0)):
        with workspace(mock, 10_000) as root:
            ours = run_suite(root, mock, concurrency=256, latency_s=latency_s)
            name = f"10,000 cases, {1000 * latency_s:.0f} ms, c = 256"
            yield Row(goal=f"{name}: wall / ideal", value=ours.wall, limit=f"<= {limit:g}")
            yield Row(goal=f"{name}: CPU ms a case", value=1000 * ours.cpu_s / 10_000, limit="<= 4")
            yield Row(goal=f"{name}: peak MB", value=ours.peak_mb, limit="<= 200")
            if latency_s == 0.05:
                warm = run_suite(root, mock, concurrency=256)
                yield Row(goal="10,000 cases from the cache, s", value=warm.wall_s, limit="<= 12")


def memory_growth(mock: Mock) -> Iterator[Row]:
    """What one more case adds to the peak, with short inputs: their text is the user's own."""
    peaks = {}
    for cases in (10_000, 100_000):
        with workspace(mock, cases, chars=100) as root:
            peaks[cases] = run_suite(root, mock, concurrency=64).peak_mb
    growth = 1000 * (peaks[100_000] - peaks[10_000]) / 90_000
    yield Row(goal="10,000 to 100,000 cases: KB a case", value=growth, limit="<= 6")


def collecting(mock: Mock) -> Iterator[Row]:
    """`--collect-only` on 10,000 cases."""
    with workspace(mock, 10_000) as root:
        seconds = min(
            measure([*PYTEST, "--model=model-mock", "--collect-only"], cwd=root).wall_s for _ in range(2)
        )
    yield Row(goal="--collect-only on 10,000 cases, s", value=seconds, limit="<= 3")


def unused_plugin(mock: Mock) -> Row:
    """What the installed plugin costs a repository without cases: the median of nine paired runs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "test_one.py").write_text("def test_one():\n    pass\n")
        without = [*PYTEST, "-p", "no:swapgate.plugin"]
        pairs = [(measure(PYTEST, cwd=root).wall_s, measure(without, cwd=root).wall_s) for _ in range(9)]
    seconds = sorted(with_it - without_it for with_it, without_it in pairs)[4]
    return Row(goal="plugin installed, no cases, s", value=seconds, limit="<= 0.05")


def run_suite(
    root: Path,
    mock: Mock,
    *options: str,
    concurrency: int,
    latency_s: float = 0.0,
    **server: float | str,
) -> Measured:
    """Run the workspace's suites as a user does; `server` sets the mock."""
    command = [*PYTEST, "--model=model-mock", f"--concurrency={concurrency}", *options]
    return measure(command, cwd=root, mock=mock, latency_s=latency_s, concurrency=concurrency, **server)


@contextmanager
def workspace(mock: Mock, cases: int, *, chars: int = 3000) -> Iterator[Path]:
    """Lay a workspace of this many cases into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        lay(Path(folder), cases, url=mock.url, chars=chars)
        yield Path(folder)


if __name__ == "__main__":
    run(measure_all, description=__doc__)
