"""`swapgate view`: what its pages say, who may ask for them, how it starts and ends."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databases import new_database, start_postgres, stop_postgres
from made_up_history import NEW, OLD, made_up_history
from processes import PATIENCE_S
from swapgate.cli import main
from swapgate.errors import StoreError
from swapgate.memory.history import History, HistoryWriter
from swapgate.records import ModelIdentity, PromotedRun, Run, Trial
from swapgate.viewing.counts import Counts, Share
from swapgate.viewing.diff import MOST_LINES, diff
from swapgate.viewing.guard import Guard, known_hosts
from swapgate.viewing.trend_chart import HEIGHT, trend_chart
from viewing_server import Page, View, start_view, viewing

RUNS, CASES = 60, 14
PAGES = ("/", "/trends", "/cases", "/compare", "/runs/latest", "/case?suite=triage&case=case-0001")
EVERY = (*PAGES, "/runs/latest/report.html", "/style.css", "/nothing", "/runs/unknown", "/?page=x")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    (folder / "cases").mkdir()
    made_up_history(folder / ".swapgate" / "history.db", runs=RUNS, cases=CASES, falls_at=40)
    return folder


@pytest.fixture(scope="module")
def view(root: Path) -> Iterator[View]:
    with viewing(root) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(root: Path) -> Iterator[View]:
    with viewing(root, "--host=0.0.0.0", "--allow-host=Evals.example") as running:
        yield running


@pytest.fixture(scope="module")
def ids(root: Path) -> list[str]:
    """The runs, the oldest first."""
    with closing(History(root / ".swapgate" / "history.db")) as history:
        return [run.id for run in history.heads()][::-1]


def rows_of(page: Page) -> list[str]:
    return re.findall(r'name="candidate" value="([^"]+)"', page.body)


# The list of runs


def test_the_runs_are_listed_newest_first_with_their_rates(view: View, ids: list[str]) -> None:
    page = view.get()
    assert rows_of(page) == ids[:9:-1]
    first = page.text.split('<tbody class="run">')[1]
    assert NEW in first
    assert f"of {CASES}</span>" in first
    assert "1 to 50 of 60 runs" in page.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"model={OLD}", 12),
        ("suite=triage&until=2026-03-30", 30),
        ("suite=unknown", 0),
        ("since=2026-03-11&until=2026-03-12", 2),
        ("whole=1&since=2026-04-20", 10),
        ("q=MODEL-OLD", 12),
        ("q=0000001c", 1),
    ],
)
def test_runs_are_filtered_and_searched(query: str, expected: int, view: View) -> None:
    page = view.get(f"/?{query}")
    assert len(rows_of(page)) == expected
    assert ("No run fits" in page.text) == (expected == 0)


def test_long_lists_are_paged_and_keep_their_filter(view: View, ids: list[str]) -> None:
    page = view.get("/?suite=triage")
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page.text)
    second = view.get(older)
    assert "suite=triage" in older
    assert rows_of(second) == ids[9::-1]
    assert "51 to 60 of 60 runs" in second.text
    assert 'rel="next"' not in second.body


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/?page=0", 400, "'page' is a number from 1 to"),
        ("/?page=first", 400, "'page' is a number from 1 to"),
        ("/?since=yesterday", 400, "'since' is a day such as 2026-03-01"),
        ("/trends?until=2026-13-99x", 400, "'until' is a day such as"),
        ("/?color=red", 400, "This page knows no 'color'"),
        ("/runs/unknown", 404, "no run 'unknown'"),
        ("/runs/2026", 404, "ambiguous"),
        ("/runs/latest?outcome=great", 400, "'outcome' is one of blind, missed"),
        ("/case?suite=triage", 400, "needs 'case'"),
        ("/case?suite=triage&case=case-9999", 404, "No stored run has a case 'case-9999'"),
        ("/case?suite=triage&case=case-0001&a=nonsense", 400, "MODEL@RUN#REPEAT"),
        ("/case?suite=triage&case=case-0001&a=m@nowhere%231", 404, "No answer m@nowhere#1"),
        ("/compare?baseline=latest&candidate=nowhere", 404, "no run 'nowhere'"),
        ("/cases?last=1000", 400, "'last' is a number from 1 to 20"),
        ("/nothing", 404, "There is no such page"),
        ("/runs/latest/../../../etc/passwd", 404, "There is no such page"),
        (f"/?q={'x' * 3000}", 400, "'q' is longer than"),
        ("/compare?baseline=latest&candidate=x@latest", 400, "has no model 'x'"),
    ],
)
def test_an_address_that_is_wrong_says_what_is(path: str, status: int, said: str, view: View) -> None:
    page = view.get(path)
    assert page.status == status
    assert said in page.text
    assert "Traceback" not in page.body


# One run, trends, cases


def test_a_run_shows_its_rates_its_manifest_and_what_did_not_pass_first(view: View, ids: list[str]) -> None:
    page = view.get("/runs/latest")
    assert f"<h1>Run <code>{ids[-1]}</code></h1>" in page.text
    assert "openai model-new-2026-02-01" in page.text
    outcomes = re.findall(r'<tr><td class="text"><span class="mark (\w+)">', page.body)
    assert len(outcomes) == 2 * CASES
    assert outcomes == sorted(outcomes, key=["blind", "missed", "errored", "unscored", "passed"].index)


def test_the_trials_of_a_run_are_filtered(view: View) -> None:
    page = view.get(f"/runs/latest?outcome=passed&model={OLD}&suite=triage&tag=style&q=CASE-0")
    (shown,) = re.findall(r"<span>1 to (\d+) of", page.body)
    found = re.findall(r'<th scope="row" class="text name"><a [^>]*>([^<]+)</a>', page.text)
    assert len(found) == int(shown) > 0
    assert all(name.startswith("triage/case-0") for name in found)


def test_trends_have_a_point_a_run_and_the_same_numbers_as_a_table(view: View) -> None:
    page = view.get("/trends?suite=triage")
    new, old = page.body.split("<section")[1:]
    for part, runs in ((new, RUNS), (old, RUNS // 5)):
        assert part.count("<circle") == 2 * runs
        assert part.count('<th scope="row"') == runs


def test_the_cases_of_a_suite_show_their_last_endings(view: View) -> None:
    page = view.get("/cases?suite=triage&last=12")
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", page.body, re.DOTALL)
    assert len(rows) == CASES // 2
    assert all(row.count('class="ending ') == 12 for row in rows)
    changed = view.get("/cases?suite=triage&last=12&changed=1")
    kept = re.findall(r"<tr><th scope=\"row\".*?</tr>", changed.body, re.DOTALL)
    assert 0 < len(kept) < len(rows)
    assert all(len(set(re.findall(r'class="ending (\w+)"', row))) > 1 for row in kept)


def test_a_case_shows_all_its_answers_and_the_last_change(view: View) -> None:
    page = view.get("/case?suite=triage&case=case-0007")
    assert page.body.count('name="a"') == RUNS + RUNS // 5
    assert "<del>" in page.body
    assert "<ins>" in page.body
    assert len(re.findall(r'name="[ab]"[^>]* checked', page.body)) == 2


def test_the_two_answers_that_are_asked_for_are_shown(view: View, ids: list[str]) -> None:
    one, other = f"{NEW}@{ids[0]}#1", f"{OLD}@{ids[4]}#1"
    page = view.get(f"/case?suite=triage&case=case-0001&a={quote(one)}&b={quote(other)}")
    shown = re.findall(r'aria-label="Answer of ([\w-]+) in run ([\w-]+)"', page.body)
    assert shown == [(NEW, ids[0]), (OLD, ids[4])]


def test_an_answer_that_is_named_alone_stands_beside_the_last_that_differs(
    view: View, ids: list[str]
) -> None:
    page = view.get("/case?suite=triage&case=case-0007")
    rows = re.findall(
        r'name="a" value="([^"]+)".*?<td>(\d+)</td><td class="text long">', page.text, re.DOTALL
    )
    own = [(name, number) for name, number in rows if name.startswith(NEW)]
    named, number = own[3]
    earlier = next(name for name, other in own[4:] if other != number)
    shown = view.get(f"/case?suite=triage&case=case-0007&a={quote(named)}")
    assert re.findall(r'name="[ab]" value="([^"]+)"[^>]* checked', shown.text) == [named, earlier]


# Comparisons


def test_a_comparison_says_what_swapgate_compare_says(
    root: Path, view: View, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", ids[3], ids[-2], "--root", str(root), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    page = view.get(f"/compare?baseline={ids[3]}&candidate={ids[-2]}")
    assert said["gate"]["reason"] in page.text
    (comparison,) = said["comparisons"]
    for kind in ("regressed", "fixed"):
        section = page.text.split(f'aria-labelledby="{kind}"')[1].split("</section>")[0]
        found = re.findall(r"<a [^>]*>([^<]+)</a>", section)
        assert found == sorted(f"{flip['suite']}/{flip['case']}" for flip in comparison[kind])
    assert comparison["regressed"]
    assert page.text.index("Regressed:") < page.text.index("Differences")


def test_a_flip_leads_to_the_two_answers(view: View, ids: list[str]) -> None:
    page = view.get(f"/compare?baseline={ids[3]}&candidate={ids[-2]}")
    section = page.text.split('aria-labelledby="regressed"')[1]
    case = view.get(re.findall(r'<a href="([^"]+)"', section)[0])
    assert re.findall(r'aria-label="Answer of [\w-]+ in run ([\w-]+)"', case.body) == [ids[3], ids[-2]]


def test_a_comparison_that_cannot_be_made_says_why(view: View, ids: list[str], root: Path) -> None:
    page = view.get(f"/compare?baseline={ids[3]}&candidate={ids[3]}")
    assert (page.status, "is named twice" in page.text) == (400, True)


def test_without_two_runs_there_is_a_form(view: View, ids: list[str]) -> None:
    page = view.get(f"/compare?baseline={ids[0]}")
    assert "Compare two runs" in page.text
    assert f'<option value="{ids[0]}" selected>' in page.text


# A run in parts, one of several models, one that is a baseline


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "cases").mkdir()
    path = folder / ".swapgate" / "history.db"
    first, _second = made_up_history(path, runs=2, cases=2)
    with closing(History(path)) as history:
        trials = list(history.trials(first.id))
        history.promote(
            PromotedRun(
                name="accepted", run_id=first.id, model=NEW, promoted_at=first.started_at, promoted_by="Ada"
            )
        )
    both = (*first.models, ModelIdentity(name="third", provider="openai", model="third"))
    more = [replace(trial, model="third") for trial in trials]
    store(path, replace(first, id="both", models=both, is_partial=True), *trials, *more)
    with viewing(folder) as running:
        yield running


def test_trends_leave_out_partial_runs_unless_they_are_asked_for(mixed: View) -> None:
    assert mixed.get(f"/trends?model={NEW}").body.count("<circle") == 4
    assert mixed.get(f"/trends?model={NEW}&all=1").body.count("<circle") == 6


def test_a_run_of_several_models_asks_which(mixed: View) -> None:
    page = mixed.get("/compare?baseline=20260301-023000&candidate=both")
    assert "holds several models" in page.text
    offered = re.findall(r'type="radio" name="candidate" value="([^"]+)"', page.text)
    assert offered == [f"{NEW}@both", "third@both"]
    assert "Regressed" in mixed.get("/compare?baseline=20260301-023000&candidate=third@both").text


def test_baselines_are_named_and_offered(mixed: View) -> None:
    assert "baseline @accepted" in mixed.get().text
    offered = re.findall(
        r'<a href="([^"]+)">with the baseline @accepted</a>', mixed.get("/runs/20260301-023001").text
    )
    assert [mixed.get(address).status for address in offered] == [200]


# Who may ask


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_reading_is_understood(method: str, view: View) -> None:
    assert view.get("/", method=method).status == 405


def test_head_is_get_without_the_page(view: View) -> None:
    page = view.get("/", method="HEAD")
    assert (page.status, page.body) == (200, "")
    assert "content-security-policy" in page.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:80", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.example:80@localhost", 200),  # no browser sends that; its host is localhost
        ("[", 403),
        ("", 403),
    ],
)
def test_another_name_than_its_own_is_refused(host: str, status: int, view: View) -> None:
    assert view.get("/", Host=host).status == status


@pytest.mark.parametrize("path", EVERY)
def test_every_answer_says_what_a_browser_may_do_with_it(path: str, view: View) -> None:
    headers = view.get(path).headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert (
        "sandbox allow-scripts;" in policy if path.endswith("report.html") else "default-src 'none'" in policy
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_script_and_nothing_from_elsewhere(path: str, view: View) -> None:
    body = view.get(path).body
    assert "<script" not in body
    assert not re.search(r"\son\w+=", body)
    assert " style=" not in body
    assert re.findall(r"(?:src|href|action)=\"(?!/|#|data:,|\?)([^\"]+)", body) == []


@pytest.mark.parametrize("path", EVERY)
def test_nothing_is_shown_without_the_token(path: str, guarded: View) -> None:
    page = guarded.get(path)
    assert page.status == 401
    assert guarded.token is not None
    assert guarded.token not in page.body


def test_a_wrong_token_is_refused(guarded: View) -> None:
    for token in ("", "x", f"{guarded.token}x", "%F0%9F%A6%8A"):
        assert guarded.get(f"/?token={token}").status == 401
    cookie = f"swapgate-view-12345678={guarded.token}"
    assert guarded.get("/", Cookie=cookie).status == 401
    assert guarded.token is not None
    own = f"swapgate-view-{hashlib.sha256(guarded.token.encode()).hexdigest()[:8]}"
    assert guarded.get("/", Cookie=f"{own}=\xff\xfe").status == 401


def test_the_token_becomes_a_cookie_and_leaves_the_address(guarded: View) -> None:
    page = guarded.get(f"/trends?suite=triage&token={guarded.token}")
    assert (page.status, page.headers["location"]) == (303, "/trends?suite=triage")
    cookie = page.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    shown = guarded.get("/", Cookie=cookie.partition(";")[0])
    assert shown.status == 200
    assert guarded.token is not None
    assert guarded.token not in shown.body


def test_the_token_leads_to_no_other_host(guarded: View) -> None:
    page = guarded.get(f"//evil.example/?token={guarded.token}")
    assert page.headers.get("location", "/").startswith("/evil") or page.status == 404


def test_another_address_than_loopback_asks_for_a_token(guarded: View) -> None:
    assert guarded.token is not None
    assert len(guarded.token) >= 32
    assert f"http://localhost:{guarded.port}/?token={guarded.token}" == guarded.url


def test_a_name_that_is_allowed_is_answered(guarded: View) -> None:
    path = f"/?token={guarded.token}"
    assert guarded.get(path, Host="evals.example:8477").status == 303
    assert guarded.get(path, Host=socket.gethostname()).status == 303
    assert guarded.get(path, Host="other.example").status == 403


@given(st.text(max_size=60))
def test_no_host_header_breaks_the_guard(header: str) -> None:
    guard = Guard(hosts=known_hosts("127.0.0.1", ()))
    assert guard.is_known_host(header) in {True, False}


# Beside runs that are being written


def test_nothing_is_ever_written(root: Path, view: View) -> None:
    path = root / ".swapgate" / "history.db"
    before = content(path)
    for one in EVERY:
        view.get(one)
    assert content(path) == before


def test_the_database_itself_refuses_to_be_changed(root: Path) -> None:
    promoted = PromotedRun(name="x", run_id="x", model="x", promoted_at="2026", promoted_by="x")
    with (
        closing(History(root / ".swapgate" / "history.db", is_read_only=True)) as history,
        pytest.raises(StoreError, match="readonly"),
    ):
        history.promote(promoted)


def test_a_run_is_seen_while_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    path = tmp_path / ".swapgate" / "history.db"
    (run,) = made_up_history(path, runs=1, cases=40)
    with closing(History(path)) as history:
        trials = list(history.trials(run.id))
    running = replace(run, id="running", started_at="2026-12-01T00:00:00.000+00:00", is_complete=False)
    writer = HistoryWriter(path, replace(running, finished_at=None))
    writer.require_open()
    with viewing(tmp_path) as view:
        for count in (10, 40):
            for trial in trials[count - 10 if count == 10 else 10 : count]:
                writer.add(trial)
            until = time.monotonic() + PATIENCE_S
            while f"{count} trials stored of 40" not in (page := view.get("/runs/running")).text:
                assert time.monotonic() < until, page.text
        assert "Unfinished" in page.text
        assert "unfinished" in view.get().text
        writer.finish(replace(running, is_complete=True))
        assert "Complete" in view.get("/runs/running").text


def test_the_history_of_a_team_is_shown_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_postgres()
    try:
        url = new_database(server)
        made_up_history(url, runs=2, cases=4)
        monkeypatch.setenv("SWAPGATE_HISTORY", url)
        (tmp_path / "cases").mkdir()
        with viewing(tmp_path) as view:
            assert len(rows_of(view.get())) == 2
            assert {view.get(path).status for path in PAGES} == {200}
            assert view.get("/compare?baseline=20260301-023000&candidate=latest").status == 200
        promoted = PromotedRun(name="x", run_id="x", model="x", promoted_at="2026", promoted_by="x")
        with (
            closing(History(url, is_read_only=True)) as history,
            pytest.raises(StoreError, match="read-only"),
        ):
            history.promote(promoted)
    finally:
        stop_postgres(server)


def test_many_ask_at_once(view: View, ids: list[str]) -> None:
    paths = [*PAGES, *(f"/compare?baseline={one}&candidate={ids[-2]}" for one in ids[:4])] * 2
    with ThreadPoolExecutor(8) as pool:
        assert {page.status for page in pool.map(view.get, paths)} == {200}


def test_a_report_is_made_on_demand(view: View) -> None:
    page = view.get("/runs/latest/report.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "What looks right against what is right" in page.text


# How it starts and ends


def test_it_prints_its_address_and_ends_well(root: Path) -> None:
    ends = ((signal.SIGINT, "", ""), (signal.SIGTERM, "--token", r"\?token=[\w-]{43}"))
    for number, option, token in ends:
        process = start_view(root, "--port=0", *([option] if option else []))
        assert process.stdout is not None
        first = process.stdout.readline()
        assert re.fullmatch(rf"view: http://127\.0\.0\.1:\d+/{token}\n", first)
        assert "read only. Ctrl-C ends it" in process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")


def test_what_is_no_request_is_refused_without_a_word_in_the_terminal(root: Path) -> None:
    wires = (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    )
    with viewing(root) as view:
        for wire in wires:
            with closing(socket.create_connection(("127.0.0.1", view.port), timeout=60)) as connection:
                connection.sendall(wire)
                assert b" 400 " in connection.recv(100)
        assert view.stop() == 0
        assert view.process.stderr is not None
        assert "Traceback" not in view.process.stderr.read()


def test_it_ends_though_a_browser_keeps_its_connection(root: Path) -> None:
    with viewing(root) as view, socket.create_connection(("127.0.0.1", view.port)):
        started = time.monotonic()
        assert view.stop() == 0
        assert time.monotonic() - started < 40  # aiohttp's own patience is a minute


def test_a_port_in_use_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["view", "--root", str(root), "--no-open", "--port", str(port)]) == 4
    assert f"cannot listen at 127.0.0.1 port {port}: it is in use. Choose another" in capsys.readouterr().err


def test_an_address_of_another_machine_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--root", str(root), "--no-open", "--host", "192.0.2.1", "--port=0"]) == 4
    told = capsys.readouterr().err
    assert "cannot listen at '192.0.2.1': it is no address of this machine" in told and "--port" not in told


def test_a_host_that_is_none_is_told_without_another_port(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", "--root", str(root), "--no-open", "--host=no.such.host.invalid", "--port=0"]) == 4
    told = capsys.readouterr().err
    assert (
        "cannot listen at 'no.such.host.invalid': no machine has this name" in told and "--port" not in told
    )


def test_an_empty_address_is_not_every_address(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--root", str(root), "--no-open", "--host", "", "--port=0"]) == 4
    assert "--host is empty" in capsys.readouterr().err


def test_without_a_history_it_says_what_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--root", str(tmp_path), "--no-open"]) == 4
    assert "pytest --model=NAME" in capsys.readouterr().err
    assert not (tmp_path / ".swapgate").exists()


def test_a_newer_history_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".swapgate" / "history.db"
    made_up_history(path, runs=1, cases=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '99'")
    assert main(["view", "--root", str(tmp_path), "--no-open"]) == 3
    assert "written by a newer swapgate" in capsys.readouterr().err


def test_a_history_that_is_empty_or_breaks_is_told(tmp_path: Path) -> None:
    path = tmp_path / ".swapgate" / "history.db"
    (run,) = made_up_history(path, runs=1, cases=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("runs", "run_names", "trials", "facts", "tallies"):
            connection.execute(f"DELETE FROM {table}")
    with viewing(tmp_path) as view:
        assert "No runs yet" in view.get().text
        for page in ("/trends", "/cases", "/compare"):
            assert view.get(page).status == 200
        assert view.get(f"/runs/{run.id}").status == 404
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE facts")
            connection.execute("ALTER TABLE runs RENAME TO gone")
        page = view.get()
        assert page.status == 503
        assert "the history cannot be used" in page.text


# Differences and charts


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_pieces_of_a_difference_make_both_texts(before: str, after: str) -> None:
    pieces = diff(before, after)
    assert pieces is not None
    assert "".join(p.text for p in pieces if p.kind != "new") == before
    assert "".join(p.text for p in pieces if p.kind != "gone") == after


def test_long_texts_are_compared_by_lines_or_not_at_all() -> None:
    lines = "".join(f"line {number} of many words, {'word ' * 5}\n" for number in range(500))
    pieces = diff(lines, lines.replace("line 77 of", "row 77 of"))
    assert pieces is not None
    assert [piece.kind for piece in pieces] == ["same", "gone", "new", "same"]
    assert diff("a\n" * (MOST_LINES + 1), "b") is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=20))
def test_a_chart_keeps_its_points_inside(counted: list[tuple[int, int]]) -> None:
    rows = []
    for number, (right, more) in enumerate(counted):
        known = right + more
        rate = right / known
        share = Share(right=right, known=known, low=max(rate - 0.1, 0), high=min(rate + 0.1, 1))
        rows.append((_run(number), _counts(share)))
    chart = trend_chart("m", rows)
    for line in chart.lines:
        for point in line.points:
            assert 0 <= point.x <= 100
            assert 0 <= point.top <= point.y <= point.bottom <= HEIGHT
    assert 2 <= len(chart.ticks) <= 7


def _run(number: int) -> Run:
    return Run(id=f"r{number}", started_at=f"2026-01-{number + 1:02}T00:00:00+00:00", models=())


def _counts(share: Share) -> Counts:
    return Counts(
        model="m",
        role="candidate",
        suite="s",
        trials=share.known,
        cases=share.known,
        passed=share.right,
        missed=0,
        errored=0,
        unscored=0,
        structural=share,
        semantic=share,
        cost_usd=None,
    )


def store(path: Path, run: Run, *trials: Trial) -> None:
    writer = HistoryWriter(path, run)
    for trial in trials:
        writer.add(trial)
    writer.finish(run)


def content(path: Path) -> str:
    """Return a hash of all that a database holds."""
    with closing(sqlite3.connect(path)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
