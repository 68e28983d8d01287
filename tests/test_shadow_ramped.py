"""A ramp's share is answered by the candidate: with its own key, and recorded as served by it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from processes import wait_for
from servers import Answer, anthropic_message, openai_completion, serving
from shadowing import KEYS, read_counts, read_exchanges, write_workspace
from swapgate.shadow.forwarding import Upstream
from swapgate.shadow.handing import Handing
from swapgate.shadow.metrics import Metrics
from swapgate.shadow.plan import open_plan
from swapgate.shadow.proxy import Proxy
from swapgate.shadow.records import Served
from swapgate.shadow.sampling import is_drawn
from swapgate.spec.settings import resolve_settings


async def ask_all(
    root: Path, leg_for: Callable[[str, str], Served], requests: list[dict[str, str]]
) -> list[Any]:
    """Serve from this process, ask with each of the headers, and return the answers."""
    config = root / "config" / "shadow.yml"
    plan = open_plan(resolve_settings(root, {}, os.environ), config)
    handing, upstream = Handing(root=root, config=config), Upstream()
    proxy = Proxy(plan, handing, Metrics(), upstream, leg_for=leg_for)
    runner = web.ServerRunner(web.Server(proxy.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await handing.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/chat/completions?x=1"
    body = {"model": "old-1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    async with httpx.AsyncClient() as client:
        answers = [
            (await client.post(url, json=body, headers={"authorization": "Bearer sk-app", **headers})).json()
            for headers in requests
        ]
    await runner.cleanup()
    await upstream.close()
    await handing.stop(drain_s=5)
    return answers


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def test_who_is_drawn_is_answered_by_the_candidate_with_its_own_key(tmp_path: Path) -> None:
    def leg_for(route: str, unit: str) -> Served:
        return "candidate" if is_drawn(unit, 0.5, salt=route) else "control"

    users = [{"x-user": f"user-{n}", "openai-organization": "org-app"} for n in range(8)] * 2
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
    ):
        write_workspace(
            tmp_path,
            control=control.url,
            candidate=candidate.url,
            route={"sticky": "header:x-user", "params": {"temperature": 0}},
        )
        answers = asyncio.run(ask_all(tmp_path, leg_for, users))
        said = [answer["choices"][0]["message"]["content"] for answer in answers]
        assert said[:8] == said[8:] and set(said) == {"old", "new"}
        served = [r for r in candidate.requests if r.path.endswith("?x=1")]
    assert len(served) == said.count("new")
    for request in served:
        assert request.headers["authorization"] == f"Bearer {KEYS['CANDIDATE_KEY']}"
        assert "openai-organization" not in request.headers
        assert request.json == {**request.json, "model": "new-1", "temperature": 0, "max_tokens": 9}
    found = read_exchanges(tmp_path / ".swapgate" / "shadow.db")
    by_candidate = [e for e in found if e.served == "candidate"]
    assert len(by_candidate) == said.count("new") and len(found) == 16
    assert all(
        e.control is None and e.served_leg is e.candidate and e.candidate.has_answer for e in by_candidate
    )


def test_a_candidate_of_another_wire_format_cannot_serve_and_the_control_does(tmp_path: Path) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(anthropic_message("new"))) as candidate,
    ):
        write_workspace(
            tmp_path,
            control=control.url,
            candidate=candidate.url,
            candidate_model={"provider": "anthropic", "base_url": candidate.url},
            content=True,
        )
        [answer] = asyncio.run(ask_all(tmp_path, lambda _route, _unit: "candidate", [{}]))
        assert answer["choices"][0]["message"]["content"] == "old"
        path = tmp_path / ".swapgate" / "shadow.db"
        wait_for(lambda: read_counts(path).get("mirrored") == 1)
        [exchange] = read_exchanges(path)
    # Mirrored it is all the same: translated, with the candidate's key in the header of its format.
    assert exchange.served == "control" and exchange.candidate is not None
    assert exchange.candidate.text == "new"
    [asked] = candidate.requests
    assert asked.headers["x-api-key"] == KEYS["CANDIDATE_KEY"] and asked.path == "/v1/messages"
    assert "authorization" not in asked.headers
