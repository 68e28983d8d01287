"""A budget for each day: kept by any number of processes, whatever dies, in whatever zone."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import PATIENCE_S, start_pytest, wait_for
from servers import Answer, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.engine.day_budget import UNITS, DayBudget
from swapgate.errors import BudgetSpent
from swapgate.memory.spending import LEASE_S, Ask, SpendingLedger, Spent
from swapgate.spec.day import Day, day_at
from test_dry_run import EACH, VERDICT, answering, lay_priced
from test_max_cost import paid
from workspaces import newest_run

Pytester = pytest.Pytester
NOON = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC).timestamp()
CENT = UNITS // 100


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(answering) as started:
        yield started


def spent(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, float]:
    capsys.readouterr()
    assert main(["cost", "day", "--root", str(root), "--json", *more]) == 0
    told: dict[str, float] = json.loads(capsys.readouterr().out)
    return told


def test_runs_one_after_another_share_a_day(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs without a cache: what the first paid is not there for the second."""
    lay_priced(pytester.path, server.url, cases=12)
    total = 0.0
    for _ in range(2):
        result = pytester.runpytest("--model=candidate", "--max-cost-per-day=0.05", "--live")
        total += paid(pytester.path)
    assert result.ret == 1
    assert 0.03 < total <= 0.05
    result.stdout.fnmatch_lines(
        [
            "budget: not asked: $* of max_cost_per_day=0.05 are spent (*, UTC), and this call may cost *",
            "warning: --max-cost-per-day=0.05 ended the run: *",
            f"${total:.4f} of --max-cost-per-day=0.05 are spent (*, UTC)",
        ]
    )
    told = spent(pytester.path, capsys)
    assert told["spent_usd"] == pytest.approx(total)
    assert told["set_aside_usd"] == told["unknown_usd"] == told["processes"] == 0


def test_processes_side_by_side_share_a_day(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=10)
    given = ("--model=candidate", "--max-cost-per-day=0.04", "--live", "-p", "no:cacheprovider")
    both = [start_pytest(pytester.path, *given) for _ in range(2)]
    for one in both:
        one.communicate(timeout=120)
    paid_usd = sum(EACH if one.json["model"] == "m-1" else VERDICT for one in server.requests)
    assert 0.01 < paid_usd <= 0.04


def test_what_is_at_hand_costs_nothing_of_the_day(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=3)
    assert pytester.runpytest("--model=candidate").ret == 0
    assert pytester.runpytest("--model=candidate", "--max-cost-per-day=0.000001").ret == 0
    assert len(server.requests) == 6


def test_a_dry_run_says_what_is_left(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=10)
    (pytester.path / "pyproject.toml").write_text("[tool.swapgate]\nmax_cost_per_day = 0.02\n")
    result = pytester.runpytest("--model=candidate", "--dry-run")
    result.stdout.fnmatch_lines(
        [
            "$0 of --max-cost-per-day=0.02 are spent (*, UTC)",
            "the $0.0200 that are left today * before all trials are made",
        ]
    )
    assert server.requests == []
    assert main(["cost", "day", "--root", str(pytester.path)]) == 0
    assert not (pytester.path / ".swapgate").exists()


def test_a_day_in_another_zone_is_said(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=1)
    (pytester.path / "pyproject.toml").write_text(
        "[tool.swapgate]\nmax_cost_per_day = 1\nbudget_zone = 'Pacific/Kiritimati'\n"
    )
    pytester.runpytest("--model=candidate").stdout.fnmatch_lines(["*(????-??-??, Pacific/Kiritimati)"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("max_cost_per_day = -1", "max_cost_per_day"),
        ("max_cost_per_day = 'much'", "max_cost_per_day"),
        ("budget_zone = 'Berlin'", "must be UTC or a zone of the tz database such as Europe/Berlin"),
        ("budget_zone = '../etc/passwd'", "must be UTC or a zone"),
    ],
)
def test_a_wrong_budget_is_refused(pytester: Pytester, server: Server, settings: str, said: str) -> None:
    lay_priced(pytester.path, server.url, cases=1)
    (pytester.path / "pyproject.toml").write_text(f"[tool.swapgate]\n{settings}\n")
    result = pytester.runpytest("--model=candidate")
    assert result.ret == 4 and server.requests == []
    result.stderr.fnmatch_lines([f"*{said}*"])


def test_an_unknown_price_and_a_ledger_that_cannot_be_kept_stop_before_the_first_call(
    pytester: Pytester, server: Server
) -> None:
    lay_priced(pytester.path, server.url, price=None)
    result = pytester.runpytest("--model=candidate", "--max-cost-per-day=1")
    result.stderr.fnmatch_lines(["*--max-cost-per-day: nobody knows what 'candidate' costs. Write price: *"])
    assert result.ret == 4
    lay_priced(pytester.path, server.url)
    (pytester.path / ".swapgate").mkdir(exist_ok=True)
    (pytester.path / ".swapgate" / "spending.db").write_text("no database at all, and long enough to be seen")
    result = pytester.runpytest("--model=candidate", "--max-cost-per-day=1")
    result.stderr.fnmatch_lines(["*--max-cost-per-day cannot be kept: *spending.db*not a database*"])
    assert result.ret == 4 and server.requests == []


def test_a_killed_run_blocks_nobody_and_counts_what_it_had_in_flight(
    pytester: Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _asked: Answer(openai_completion("{}"), delay_s=30)) as slow:
        lay_priced(pytester.path, slow.url, cases=4)
        dying = start_pytest(pytester.path, "--model=candidate", "--max-cost-per-day=0.2", "--concurrency=2")
        wait_for(lambda: len(slow.requests) == 2)
        os.kill(dying.pid, signal.SIGKILL)
        dying.communicate(timeout=120)
    told = spent(pytester.path, capsys)
    assert told["spent_usd"] == 0
    assert told["set_aside_usd"] > 0.03 and told["processes"] == 1  # until its lease ends
    _end_leases(pytester.path)
    told = spent(pytester.path, capsys)
    assert told["unknown_usd"] > 0.03 and told["processes"] == 0
    with serving(answering) as quick:
        lay_priced(pytester.path, quick.url, cases=4)
        assert pytester.runpytest("--model=candidate", "--max-cost-per-day=0.2").ret == 0
    told = spent(pytester.path, capsys, "--release")
    assert told["released_usd"] > 0.03 and told["unknown_usd"] == 0
    assert told["spent_usd"] == pytest.approx(4 * (EACH + VERDICT))
    _run, trials = newest_run(pytester.path)
    assert len(trials) == 4


def _end_leases(root: Path) -> None:
    """Let so much time pass as a lease takes to end."""
    with sqlite3.connect(root / ".swapgate" / "spending.db") as db:
        db.execute("UPDATE spending SET alive_until = alive_until - ? WHERE alive_until > 0", (2 * LEASE_S,))
    db.close()


def test_who_waits_for_a_process_that_died_goes_on_when_its_lease_ends(tmp_path: Path) -> None:
    """Of 10 cents 8 are held by a process that says nothing any more: a call of 5 waits, then is refused."""
    ledger, now = SpendingLedger(tmp_path / "spending.db"), [NOON]
    dead = ledger.open_lease(NOON)
    ledger.grow(dead, day_at(NOON), _ask(most=8 * CENT, limit=10 * CENT), NOON)

    async def ask() -> float:
        budget = DayBudget(ledger, 0.10, clock=lambda: now[0])
        waiting = asyncio.create_task(budget.hold(5 * CENT))
        await asyncio.sleep(0.7)
        assert not waiting.done()
        now[0] += 2 * LEASE_S
        with pytest.raises(BudgetSpent, match=r"\$0.08 may have been by processes that died"):
            await waiting
        ledger.release(day_at(NOON), now[0])
        lease = await budget.hold(5 * CENT, is_judge=True)
        budget.settle(lease, 5 * CENT, CENT)
        await budget.aclose()
        return ledger.today(day_at(NOON), now[0]).spent / CENT

    assert asyncio.run(ask()) == 1


def test_two_that_wait_for_each_other_s_calls_both_go_on(tmp_path: Path) -> None:
    """12 cents; two processes make calls that may cost 5 and cost 1: two at a time fit, never three."""

    async def both() -> int:
        budgets = [DayBudget(SpendingLedger(tmp_path / "spending.db"), 0.12) for _ in range(2)]
        most_at_once, held = 0, 0

        async def call(budget: DayBudget) -> None:
            nonlocal most_at_once, held
            lease = await budget.hold(5 * CENT)
            held += 1
            most_at_once = max(most_at_once, held)
            await asyncio.sleep(0.05)
            held -= 1
            budget.settle(lease, 5 * CENT, CENT)

        await asyncio.gather(*(call(budget) for budget in budgets for _ in range(2)))
        await asyncio.gather(*(budget.aclose() for budget in budgets))
        return most_at_once

    assert asyncio.run(both()) == 2
    assert SpendingLedger(tmp_path / "spending.db").today(day_at(time.time())).spent == 4 * CENT


def test_a_call_over_midnight_is_of_the_day_on_which_it_was_sent(tmp_path: Path) -> None:
    ledger, now = SpendingLedger(tmp_path / "spending.db"), [NOON + 12 * 3600 - 1]

    async def over() -> None:
        budget = DayBudget(ledger, 0.06, clock=lambda: now[0])
        yesterday = await budget.hold(5 * CENT)
        now[0] += 2
        today = await budget.hold(5 * CENT)
        budget.settle(yesterday, 5 * CENT, 4 * CENT)
        budget.settle(today, 5 * CENT, 3 * CENT)
        await budget.aclose()

    asyncio.run(over())
    assert ledger.today(day_at(NOON), now[0]).spent == 4 * CENT
    assert ledger.today(day_at(NOON + 86_400), now[0]).spent == 3 * CENT


class SlowLedger(SpendingLedger):
    """A database that is far away: what is written there arrives once `may_arrive`."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.is_slow = False
        self.is_written = threading.Event()
        self.may_arrive = threading.Event()

    def grow(self, lease: str, day: Day, ask: Ask, now: float | None = None) -> tuple[int, Spent]:
        self._travel()
        return super().grow(lease, day, ask, now)

    def keep(self, lease: str, *, spent: int, granted: int, now: float | None = None) -> None:
        self._travel()
        super().keep(lease, spent=spent, granted=granted, now=now)

    def _travel(self) -> None:
        if self.is_slow:
            self.is_written.set()
            assert self.may_arrive.wait(PATIENCE_S)


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_what_is_still_being_written_when_a_run_is_broken_off_sets_nothing_aside(
    tmp_path: Path, is_waited_for: bool
) -> None:
    """By a call that waits for room, or by what tells now and then that the process lives."""
    ledger = SlowLedger(tmp_path / "spending.db")

    async def broken_off() -> None:
        budget = DayBudget(ledger, 1.0)
        budget.settle(await budget.hold(5 * CENT), 5 * CENT, CENT)
        ledger.is_slow = True
        waiting = asyncio.create_task(budget.hold(50 * CENT)) if is_waited_for else None
        await asyncio.to_thread(ledger.is_written.wait, PATIENCE_S)
        if waiting is not None:
            waiting.cancel()
        closing = asyncio.create_task(budget.aclose())
        await asyncio.sleep(0.1)
        ledger.may_arrive.set()
        await closing

    asyncio.run(broken_off())
    left = SpendingLedger(tmp_path / "spending.db").today(day_at(time.time()))
    assert left == Spent(spent=CENT)


@pytest.mark.parametrize(("date", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-26", 24)])
def test_a_day_has_as_many_hours_as_its_zone_gives_it(date: str, hours: int) -> None:
    noon = dt.datetime.fromisoformat(f"{date}T11:00:00+00:00").timestamp()
    day = day_at(noon, "Europe/Berlin")
    assert str(day) == f"{date}, Europe/Berlin"
    assert day.end - day.start == hours * 3600


Deed = tuple[int, str, int]  # who, what, how much
DEEDS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["hold", "settle", "keep", "die", "wait"]), st.integers(1, 60)
    ),
    max_size=30,
)


@settings(max_examples=20)
@given(DEEDS)
def test_the_grants_of_a_day_never_exceed_its_limit(deeds: list[Deed]) -> None:
    """Three processes hold, settle, tell and die in any order: what may be billed stays within 100."""
    with TemporaryDirectory() as folder, closing(SpendingLedger(Path(folder) / "spending.db")) as ledger:
        _live_through(deeds, ledger)


def _live_through(deeds: list[Deed], ledger: SpendingLedger) -> None:
    now, day = NOON, day_at(NOON)
    leases = [ledger.open_lease(now) for _ in range(3)]
    spent, held, lost = [0, 0, 0], [0, 0, 0], 0
    for who, what, amount in deeds:
        if what == "hold":
            ask = Ask(spent=spent[who], held=held[who], most=amount, spare=3, limit=100)
            granted, _others = ledger.grow(leases[who], day, ask, now)
            held[who] += amount if granted - spent[who] - held[who] >= amount else 0
        elif what == "settle":
            cost = min(held[who], amount)
            spent[who], held[who] = spent[who] + cost, 0
        elif what == "keep":
            ledger.keep(leases[who], spent=spent[who], granted=spent[who] + held[who], now=now)
        elif what == "die":
            lost += spent[who] + held[who]
            spent[who] = held[who] = 0
            leases[who] = ledger.open_lease(now)
        else:
            now += amount
        assert sum(spent) + sum(held) + lost <= ledger.today(day, now).counted <= 100


def _ask(*, most: int, limit: int) -> Ask:
    return Ask(spent=0, held=0, most=most, spare=0, limit=limit)


_SPENDING = """
import sys, time
from pathlib import Path
from swapgate.memory.spending import Ask, SpendingLedger
from swapgate.spec.day import day_at
ledger, day = SpendingLedger(Path(sys.argv[1])), day_at(time.time())
lease, spent = ledger.open_lease(), 0
for _ in range(40):
    granted, _others = ledger.grow(lease, day, Ask(spent=spent, held=0, most=1, spare=0, limit=100))
    spent += granted > spent
ledger.close_lease(lease, spent=spent)
"""


def test_processes_that_begin_at_once_never_exceed_the_day(tmp_path: Path) -> None:
    """The file is made by whoever is first; three processes that want 120 have all of 100, and no more."""
    path = tmp_path / "state" / "spending.db"
    source = str(Path(__file__).parents[1] / "evals")
    command, environ = [sys.executable, "-c", _SPENDING, str(path)], {**os.environ, "PYTHONPATH": source}
    at_once = [subprocess.Popen(command, env=environ) for _ in range(3)]
    assert [one.wait(120) for one in at_once] == [0] * 3
    with closing(SpendingLedger(path)) as ledger:
        assert ledger.today(day_at(time.time())).counted == 100
