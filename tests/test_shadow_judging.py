"""A sample of exchanges judged: always the same sample, each once, under one budget, through kills."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import wait_for
from servers import Answer, Server, openai_completion, serving
from shadow_traffic import Quality, World, traffic
from shadowing import environment, run_shadow
from swapgate.shadow.comparing.drawing import draw_keys
from swapgate.shadow.records import Exchange
from swapgate.shadow.store import ShadowStore
from workspaces import lay

STORE = Path(".swapgate/shadow.db")
COMPARE = "{similarity: none, judge: better, judged: 40}"
EXCHANGES = list(traffic(Quality(refuses=1.0), world=World(per_day=10)))
JUDGE = "judge: better\nkind: pairwise\nmodel: judge-model\nparams: {max_tokens: 10}\n"
FIRST = json.dumps({"verdict": "first"})


@pytest.fixture
def judge() -> Iterator[Server]:
    with serving(Answer(openai_completion(FIRST), delay_s=0.05)) as server:
        yield server


def lay_traffic(root: Path, judge: Server, *, routes: tuple[str, ...] = ("review",)) -> None:
    compare = ", ".join(f"{route}: {COMPARE}" for route in routes)
    model = {"provider": "openai-compatible", "base_url": f"{judge.url}/v1", "model": "j"}
    lay(
        root,
        {
            "config/models.yml": json.dumps(
                {"models": {"judge-model": {**model, "price": {"input": 10, "output": 0}}}}
            ),
            "judges/better.yml": JUDGE,
            "config/promote.yml": f"compare: {{{compare}}}\n",
        },
    )
    with closing(ShadowStore(root / STORE)) as store:
        for route in routes:
            store.add_new([replace(one, key=f"{route} {one.key}", route=route) for one in EXCHANGES])


def asked(judge: Server) -> Counter[bytes]:
    return Counter(request.body for request in judge.requests)


def verdicts(root: Path) -> int:
    with closing(ShadowStore(root / STORE)) as store:
        return sum((one.comparison or {}).get("preference") is not None for one in store.exchanges())


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "swapgate", "shadow", "judge", "--json", *arguments]
    return subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True)


@given(
    order=st.permutations(EXCHANGES[:20]),
    size=st.integers(1, 25),
    more=st.integers(0, 10),
    seed=st.integers(0, 5),
)
def test_a_larger_sample_begins_with_the_smaller_one_in_whatever_order_traffic_is_read(
    order: list[Exchange], size: int, more: int, seed: int
) -> None:
    drawn = draw_keys(EXCHANGES[:20], size=size, seed=seed)
    assert len(drawn) == min(size, 20) == len(set(drawn))
    assert draw_keys(order, size=size + more, seed=seed)[:size] == drawn


def test_only_the_newest_setup_is_drawn_and_of_it_what_a_judge_can_see() -> None:
    [first, *later] = EXCHANGES[:10]
    older = [replace(one, setup="before") for one in later]
    mute = replace(later[0], key="mute", request=None)
    newest = replace(first, at="2030-01-01T00:00:00Z")
    assert draw_keys([newest, mute, *older], size=40, seed=0) == [first.key]
    assert draw_keys([], size=40, seed=0) == []


def test_two_judges_at_once_ask_about_each_exchange_once(tmp_path: Path, judge: Server) -> None:
    lay_traffic(tmp_path, judge)
    told = []
    for process in [start(tmp_path, "--live"), start(tmp_path, "--live")]:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        told += json.loads(out)["routes"]
    # Both orders of each. --live: what the other one has cached cannot hide a second question.
    assert len(asked(judge)) == asked(judge).total() == 80
    assert sum(one["judged_now"] for one in told) == 40
    assert [one["even"] for one in told] == [40, 40]


def test_a_killed_judge_keeps_its_verdicts_and_pays_again_for_nothing_but_what_was_in_flight(
    tmp_path: Path, judge: Server
) -> None:
    lay_traffic(tmp_path, judge)
    process = start(tmp_path)
    wait_for(lambda: len(judge.requests) >= 40)
    process.kill()
    process.communicate()
    before = verdicts(tmp_path)
    assert 0 < before < 40
    with closing(ShadowStore(tmp_path / STORE)) as store:
        store.renew([one.exchange.key for one in store.exchanges()], lease_s=0)
    done = run_shadow(tmp_path, "judge", "--json")
    assert done.returncode == 0, done.stderr
    [told] = json.loads(done.stdout)["routes"]
    assert (told["judged_now"], told["even"]) == (40 - before, 40)
    # Twice what was in flight, and what was answered in the same instant.
    assert len(asked(judge)) == 80 and asked(judge).total() <= 80 + 16 + 8


def test_one_budget_holds_for_all_routes_and_what_it_leaves_out_is_asked_later(
    tmp_path: Path, judge: Server
) -> None:
    lay_traffic(tmp_path, judge, routes=("first", "second"))
    calls = 80
    whole = json.loads(run_shadow(tmp_path, "judge", "--json", "--route", "first").stdout)["routes"][0]
    assert whole["unasked"] == 0 and len(judge.requests) == calls
    lay_traffic(tmp_path, judge, routes=("first", "second", "third"))
    limit = whole["paid_usd"] * 1.5
    done = run_shadow(tmp_path, "judge", "--json", "--live", "--max-cost", str(limit))
    told = {one["route"]: one for one in json.loads(done.stdout)["routes"]}
    assert sum(one["paid_usd"] for one in told.values()) <= limit
    assert [told[route]["judged_now"] + told[route]["unasked"] for route in told] == [0, 40, 40]
    assert told["second"]["judged_now"] > 0 and told["third"]["unasked"] > 0
    assert not any(one["errors"] for one in told.values())
    assert "another call could have exceeded --max-cost=" in done.stderr
    assert json.loads(run_shadow(tmp_path, "judge", "--json").stdout)["routes"][2]["even"] == 40
