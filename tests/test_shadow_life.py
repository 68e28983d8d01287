"""A proxy's life: reloaded, drained, killed; its mirror killed; what was answered is recorded once."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from processes import PATIENCE_S, wait_for
from ruin import mounted
from servers import Answer, openai_completion, serving
from shadowing import read_exchanges, run_shadow, shadowing, write_workspace
from swapgate.shadow.handing import Handing


def post(url: str, text: str, **headers: str) -> httpx.Response:
    body = {"model": "old-1", "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=20)


def texts(root: Path, state: str | None = None) -> list[str]:
    found = read_exchanges(root / ".swapgate" / "shadow.db")
    return [e.request["messages"][0]["content"] for e in found if state in {None, e.state} and e.request]


def mirror_of(pid: int) -> int:
    """Return the process id of a proxy's mirror, 0 while it has none."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return int((found.stdout.split() or [0])[0])


def test_what_was_answered_before_a_kill_9_is_recorded_once(tmp_path: Path) -> None:
    answered: list[str] = []

    def load(url: str, name: int) -> None:
        number = 0
        with suppress(httpx.HTTPError), httpx.Client() as client:
            while True:
                text = f"{name}-{number}"
                body = {"model": "old-1", "messages": [{"role": "user", "content": text}]}
                client.post(f"{url}/v1/chat/completions", json=body).raise_for_status()
                answered.append(text)
                number += 1

    slow = Answer(openai_completion("new"), delay_s=0.05)
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(slow) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url, content=True) as shadow,
    ):
        threads = [threading.Thread(target=load, args=(shadow.url, n)) for n in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answered) > 60)
        shadow.process.kill()
        for thread in threads:
            thread.join()
        shadow.process.wait()
        # The mirror's process outlives the proxy until its work is done.
        wait_for(lambda: len(texts(tmp_path, "whole")) >= len(answered))
    recorded = Counter(texts(tmp_path))
    assert set(answered) <= set(recorded)
    assert set(recorded.values()) == {1}
    assert Counter(r.json["messages"][0]["content"] for r in candidate.requests).most_common(1)[0][1] == 1
    # At most what was on its way at that moment was recorded and never arrived.
    assert len(recorded) <= len(answered) + 3


def test_a_killed_mirror_is_started_anew_and_the_application_notices_nothing(tmp_path: Path) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url, content=True) as shadow,
    ):
        post(shadow.url, "before")
        shadow.wait_for_exchanges(1)
        first = mirror_of(shadow.process.pid)
        os.kill(first, signal.SIGKILL)
        assert post(shadow.url, "between").json()["choices"][0]["message"]["content"] == "old"

        def is_back() -> bool:
            health = httpx.get(f"{shadow.url}/-/swapgate/health").json()
            return bool(health["mirror"] == "up" and mirror_of(shadow.process.pid) not in {first, 0})

        wait_for(is_back)
        post(shadow.url, "after")
        wait_for(lambda: "after" in texts(tmp_path, "whole"))
        assert "before" in texts(tmp_path)
        # What came while nobody could take it is counted, not forgotten.
        wait_for(lambda: (counts := shadow.counts()).get("shed", 0) + counts.get("lost", 0) >= 1)


def test_a_full_spool_is_told_and_filled_again_once_there_is_room(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spooled"
    with (
        mounted(spool, "size=32k"),
        serving(Answer(openai_completion("old"))) as control,
        shadowing(
            tmp_path, control=control.url, candidate=control.url, route={"mode": "spool"}, spool="spooled"
        ) as shadow,
    ):
        post(shadow.url, "x" * 60_000)
        first = mirror_of(shadow.process.pid)
        told = ""

        def is_told() -> bool:
            nonlocal told
            told += capfd.readouterr().err
            return "Free the disk" in told

        wait_for(is_told)
        assert f"{spool}: the spool cannot be written: No space left on device" in told
        subprocess.run(["mount", "-o", "remount,size=1m", str(spool)], check=True)
        wait_for(lambda: mirror_of(shadow.process.pid) not in {first, 0})
        post(shadow.url, "after")
        wait_for(lambda: any('"after"' in file.read_text() for file in spool.glob("*.jsonl")))
        assert shadow.stop() == 0


def test_a_candidate_that_hangs_leaves_no_exchange_without_an_end(tmp_path: Path) -> None:
    hanging = Answer(openai_completion("late"), delay_s=600)
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(hanging) as candidate,
        shadowing(
            tmp_path,
            "--drain",
            "1",
            control=control.url,
            candidate=candidate.url,
            limits={"concurrency": 2, "queue": 3, "timeout_s": 300},
        ) as shadow,
    ):
        started = time.perf_counter()
        for number in range(12):
            post(shadow.url, f"{number}")
        assert time.perf_counter() - started < PATIENCE_S
        shadow.wait_for_count("shed", 7)
        assert shadow.stop() == 0
        states = Counter(e.state for e in shadow.exchanges())
        assert states == {"lost": 2}
        counts = shadow.counts()
        assert (counts["seen"], counts["shed"]) == (12, 10)


def test_sighup_takes_a_new_configuration_and_refuses_a_wrong_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url, route={"share": 0.0}) as shadow,
    ):
        post(shadow.url, "one")
        shadow.wait_for_count("not_sampled")
        path = tmp_path / "config" / "shadow.yml"
        path.write_text(path.read_text().replace('"share": 0.0', '"share": 2'))
        shadow.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "share" in (said := capfd.readouterr().err) and "old one stands" in said)
        # What can be read is no better where no application could be served by it.
        unservable = {"share": 0.0, "control": "python:no.such:thing"}
        write_workspace(tmp_path, control=control.url, candidate=candidate.url, route=unservable)
        shadow.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "a proxy cannot stand before it" in capfd.readouterr().err)
        post(shadow.url, "two")
        shadow.wait_for_count("not_sampled", 2)
        write_workspace(tmp_path, control=control.url, candidate=candidate.url, route={"share": 1.0})
        shadow.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "read anew" in capfd.readouterr().err)
        post(shadow.url, "three")
        shadow.wait_for_exchanges(1)
        assert [r.json["messages"][0]["content"] for r in candidate.requests] == ["three"]


def test_a_mirror_that_restarts_does_not_take_what_sighup_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url) as shadow,
    ):
        unservable = {"control": "python:no.such:thing"}
        write_workspace(tmp_path, control=control.url, candidate=candidate.url, route=unservable)
        wait_for(lambda: mirror_of(shadow.process.pid) != 0)
        os.kill(mirror_of(shadow.process.pid), signal.SIGKILL)
        wait_for(lambda: "a proxy cannot stand before it" in capfd.readouterr().err)
        assert post(shadow.url, "served").status_code == 200
        write_workspace(tmp_path, control=control.url, candidate=candidate.url)
        wait_for(lambda: post(shadow.url, "mirrored").is_success and bool(candidate.requests))


def test_a_pattern_that_backtracks_for_ever_costs_its_own_exchange_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(
            tmp_path,
            control=control.url,
            candidate=candidate.url,
            content=True,
            redact={"patterns": {"endless": "(a+)+$"}},
        ) as shadow,
    ):
        assert post(shadow.url, "a" * 60 + "!").status_code == 200
        post(shadow.url, "after")
        shadow.wait_for_exchanges(1)
        shadow.wait_for_count("unreadable")
        assert texts(tmp_path) == ["after"]
        assert [r.json["messages"][0]["content"] for r in candidate.requests] == ["after"]
    assert "redact.patterns: 'endless' took too long on a text of 61 characters" in capfd.readouterr().err


KEY = b"sk-planted-0123456789abcdef"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY + b"\r\n"
# Bytes, and as what they are counted; None: a connection that ends without a request is none.
NO_REQUESTS: Mapping[str, tuple[bytes, str | None]] = {
    "nothing": (b"", None),
    "half a head": (HEAD, None),
    "tls": (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(190)), "no_http"),
    "zeros": (b"\0" * 1000, "no_http"),
    "ssh": (b"SSH-2.0-OpenSSH_9.6\r\n", "no_http"),
    "long line": (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", "too_large"),
    "long header": (HEAD + b"x: " + KEY * 10_000 + b"\r\n\r\n", "too_large"),
    "many headers": (HEAD + b"".join(b"x%d: 1\r\n" % n for n in range(2000)) + b"\r\n", "too_large"),
    "no such version": (b"GET / HTTP/9.9\r\n\r\n", "broken"),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "broken"),
    "no such length": (HEAD + b"content-length: -1\r\n\r\n", "broken"),
    "a zero byte": (HEAD + b"x: a\0" + KEY + b"\r\n\r\n", "broken"),
    "no chunk": (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + KEY + b"\r\n", "broken"),
}


def send(url: str, raw: bytes) -> None:
    """Send these bytes, take what comes as long as something comes, and hang up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection, suppress(ConnectionError):
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_what_is_no_http_is_counted_and_told_on_a_line_for_each_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url) as shadow,
    ):
        for raw, _reason in (*NO_REQUESTS.values(), *NO_REQUESTS.values()):
            send(shadow.url, raw)
        assert post(shadow.url, "after them").status_code == 200
        metrics = httpx.get(f"{shadow.url}/-/swapgate/metrics").text
    counted = Counter(reason for _raw, reason in NO_REQUESTS.values() if reason is not None)
    for reason, number in counted.items():
        assert f'swapgate_shadow_refused_total{{reason="{reason}"}} {2.0 * number}\n' in metrics
    told = capfd.readouterr().err
    assert len(told.splitlines()) == len(counted), told
    assert "Traceback" not in told and KEY.decode() not in told
    assert [r.json["messages"][0]["content"] for r in control.requests] == ["after them"]


def test_sigterm_lets_an_answer_in_flight_end(tmp_path: Path) -> None:
    got: list[httpx.Response] = []
    with (
        serving(Answer(openai_completion("old"), delay_s=1.0)) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url, content=True) as shadow,
    ):
        asking = threading.Thread(target=lambda: got.append(post(shadow.url, "slow")))
        asking.start()
        wait_for(lambda: len(control.requests) == 1)
        assert shadow.stop() == 0
        asking.join()
        assert got[0].json()["choices"][0]["message"]["content"] == "old"
        assert texts(tmp_path, "whole") == ["slow"]
        with pytest.raises(httpx.ConnectError):
            post(shadow.url, "too late")


def test_what_one_user_asks_is_mirrored_or_not_as_a_whole(tmp_path: Path) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(
            tmp_path,
            control=control.url,
            candidate=candidate.url,
            route={"share": 0.5, "sticky": "header:x-user", "tags": {"plan": "header:x-plan"}},
        ) as shadow,
    ):
        for user in range(12):
            for _ in range(2):
                post(shadow.url, "hi", **{"x-user": f"user-{user}", "x-plan": "free"})
        wait_for(lambda: shadow.counts().get("seen") == 24)
        drawn = int(24 - shadow.counts()["not_sampled"])
        found = shadow.wait_for_exchanges(drawn)
        assert 0 < drawn < 24
        assert set(Counter(e.unit for e in found).values()) == {2}
        assert {e.tags for e in found} == {("plan:free",)}
        assert b"user-1" not in shadow.store.read_bytes()


def test_the_day_s_budget_is_kept_and_what_is_not_asked_is_counted(tmp_path: Path) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(
            tmp_path,
            control=control.url,
            candidate=candidate.url,
            route={"params": {"max_tokens": 10}},
            budget_usd_per_day=0.0002,
        ) as shadow,
    ):
        for number in range(20):
            post(shadow.url, f"{number}")
        wait_for(lambda: sum(e.state != "waiting" for e in shadow.exchanges()) == 20)
        shadow.wait_for_count("over_budget")
        counts = shadow.counts()
        assert counts["spent_usd"] <= 0.0002
        assert len(candidate.requests) + counts["over_budget"] == 20
        assert {e.state for e in shadow.exchanges()} == {"whole", "unasked"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"listen": "8100"}, "shadow.yml:1: 'listen'"),
        ({"routes": {"a": {"control": "older"}}}, "route 'a': unknown model 'older'. Did you mean 'old'?"),
        ({"routes": {"a": {"control": "old", "shares": 1}}}, "'shares'"),
        ({"redact": {"patterns": {"x": "("}}}, "is no regular expression"),
        ({"routes": {"a": {"control": "recorded:x.jsonl"}}}, "Wrap the call with ShadowDeployment"),
    ],
    ids=["address", "model", "key", "pattern", "provider"],
)
def test_a_wrong_configuration_is_told_with_its_place(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    write_workspace(tmp_path, control="http://127.0.0.1:9", candidate="http://127.0.0.1:9", **change)
    done = run_shadow(tmp_path, "serve")
    assert done.returncode == 4 and said in done.stderr and "Traceback" not in done.stderr


def test_a_missing_key_stops_before_the_first_request(tmp_path: Path) -> None:
    write_workspace(tmp_path, control="http://127.0.0.1:9", candidate="http://127.0.0.1:9")
    done = run_shadow(tmp_path, "serve", CANDIDATE_KEY="")
    assert done.returncode == 4 and "CANDIDATE_KEY, which is not set" in done.stderr


def test_two_proxies_cannot_have_one_port(tmp_path: Path) -> None:
    with serving(Answer()) as control:
        write_workspace(tmp_path, control=control.url, candidate=control.url)
        done = run_shadow(tmp_path, "serve", "--listen", f"127.0.0.1:{control.port}")
        elsewhere = run_shadow(tmp_path, "serve", "--listen", "192.0.2.1:8100")
    assert done.returncode == 4 and "Is another proxy running?" in done.stderr
    nowhere = run_shadow(tmp_path, "serve", "--listen", "no.such.host.invalid:8100")
    assert elsewhere.returncode == 4 and "it is no address of this machine" in elsewhere.stderr
    assert nowhere.returncode == 4 and "no machine has this name" in nowhere.stderr
    assert "another proxy" not in elsewhere.stderr + nowhere.stderr


def test_a_store_that_cannot_be_opened_stops_before_the_first_request(tmp_path: Path) -> None:
    write_workspace(
        tmp_path, control="http://127.0.0.1:9", candidate="http://127.0.0.1:9", store="config/models.yml/x.db"
    )
    done = run_shadow(tmp_path, "serve")
    assert done.returncode == 3 and "the exchanges cannot be kept" in done.stderr


def test_a_store_that_breaks_ends_the_mirror_and_not_the_serving(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url) as shadow,
    ):
        post(shadow.url, "one")
        shadow.wait_for_exchanges(1)
        with closing(sqlite3.connect(shadow.store)) as db:
            db.execute("DROP TABLE exchanges")
        assert post(shadow.url, "two").status_code == 200
        wait_for(lambda: "the exchanges cannot be kept" in capfd.readouterr().err)
        assert post(shadow.url, "three").status_code == 200


def test_a_mirror_that_cannot_be_started_for_a_while_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_workspace(tmp_path, control="http://127.0.0.1:9", candidate="http://127.0.0.1:9")
    python = sys.executable

    async def serve() -> None:
        handing = Handing(root=tmp_path, config=config)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
        with pytest.raises(FileNotFoundError):
            await handing.start()
        monkeypatch.setattr(sys, "executable", python)
        await handing.start()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
        assert handing._process is not None
        handing._process.kill()
        await asyncio.to_thread(wait_for, lambda: "could not be started" in caplog.text)
        monkeypatch.setattr(sys, "executable", python)
        await asyncio.to_thread(wait_for, lambda: handing.is_up)
        await handing.stop(drain_s=0.1)

    asyncio.run(serve())
