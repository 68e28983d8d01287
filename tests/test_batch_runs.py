"""Runs with --batch: what is sent, picked up, paid, and called live after all."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from batch_servers import (
    RIGHT,
    AnthropicService,
    BatchService,
    Failed,
    Fate,
    GeminiService,
    OpenAIService,
    serving_batches,
)
from processes import start_pytest, wait_for
from servers import Answer, Received, serving
from swapgate.cli import main
from workspaces import JUDGE, case, lay, newest_run, suite

HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}, {enum: {pointer: /label, values: [billing, bug]}}]
"""
PASS = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'
SERVICES: dict[str, tuple[type[BatchService], str, str]] = {
    "openai": (OpenAIService, "gpt-4o-mini", "/v1"),
    "anthropic": (AnthropicService, "claude-haiku-4-5", ""),
    "gemini": (GeminiService, "gemini-2.5-flash", ""),
}
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
GATE = {"structural": {"min": 0.5, "on": "point"}}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "sk-planted-0123456789abcdef")
    monkeypatch.delenv("CI", raising=False)


def lay_batch(
    root: Path,
    url: str,
    *,
    provider: str = "openai",
    cases: int = 4,
    head: str = HEAD,
    poll_s: float = 0.02,
    **more: object,
) -> None:
    _service, model, path = SERVICES[provider]
    shared: dict[str, object] = {"provider": provider, "base_url": f"{url}{path}", "model": model}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n}") for n in range(cases)], head=head, gate=GATE),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps(
                {"models": {"candidate": {**shared, **more}, "judge": {**shared, "params": {"top_p": 0.5}}}}
            ),
            "pyproject.toml": f"[tool.swapgate]\nretries = 1\nbatch_poll_s = {poll_s}\n",
        },
    )


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return start_pytest(root, "--model=candidate", "--batch", "--report=none", *arguments)


def states(root: Path) -> list[str]:
    """Return the states of the workspace's batches as they stand in its file."""
    path = root / ".swapgate" / "batches.db"
    if not path.is_file():
        return []
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT state FROM batches ORDER BY begun_at")]
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def finish(process: subprocess.Popen[str]) -> str:
    output = process.communicate(timeout=120)[0]
    assert "Traceback" not in output, output
    return output


def again(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run once more, in this process: that is quicker to start."""
    return pytester.runpytest("--model=candidate", "--batch", "--report=none", *arguments)


def fate_of(*said: tuple[str, Fate], rest: Fate = RIGHT) -> Any:
    """Return fates by a word in the request."""
    return lambda body: next((fate for word, fate in said if word in json.dumps(body)), rest)


@pytest.mark.parametrize("provider", SERVICES)
def test_batch_answers_every_case_at_half_the_price_and_nothing_is_called_live(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0]()
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider, price={"input": 2, "output": 8})
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
        result.assert_outcomes(passed=4)
        assert (len(service.batches), len(service.live)) == (1, 0)
        assert set(service.sent.values()) == {1}
        result.stdout.fnmatch_lines(
            [f"*batch: candidate: 4 sent to {provider} as {next(iter(service.batches))}"]
        )
        _run, batched = newest_run(pytester.path)
        pytester.runpytest("--model=candidate", "--report=none").assert_outcomes(passed=4)
        _run, cached = newest_run(pytester.path)
        assert service.live == []
        pytester.runpytest("--model=candidate", "--live", "--report=none").assert_outcomes(passed=4)
    _run, live = newest_run(pytester.path)
    for in_batch, from_cache, called in zip(batched, cached, live, strict=True):
        assert in_batch.answer and from_cache.answer and called.answer
        assert in_batch.answer.response.batch_id == next(iter(service.batches))
        assert in_batch.answer.response.usage == called.answer.response.usage
        assert in_batch.answer.cost_usd and called.answer.cost_usd
        assert in_batch.answer.cost_usd == pytest.approx(called.answer.cost_usd / 2)
        assert from_cache.answer.from_cache
        assert from_cache.answer.cost_usd == in_batch.answer.cost_usd


def test_budget_that_holds_for_a_batch_lets_it_go_as_one(pytester: pytest.Pytester) -> None:
    """Four live calls may cost $0.0034: at their price a half would wait for the other half's day."""
    service = OpenAIService()
    with serving_batches(service) as server:
        more = {"price": {"input": 2, "output": 8}, "params": {"max_tokens": 100}}
        lay_batch(pytester.path, server.url, **more)
        again(pytester, "--max-cost=0.0025").assert_outcomes(passed=4)
    assert [len(batch.requests) for batch in service.batches.values()] == [4]
    assert service.live == []


def test_judges_requests_go_into_a_batch_of_their_own(pytester: pytest.Pytester) -> None:
    service = OpenAIService(fate=fate_of(("criteri", PASS), ("agrees", PASS)))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, cases=6, head=HEAD + "judges: [meaning]\n")
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=6)
    assert [len(batch.requests) for batch in service.batches.values()] == [6, 6]
    assert service.live == []


# Killed and picked up


@pytest.mark.parametrize("provider", SERVICES)
def test_killed_runs_batch_is_picked_up_and_no_request_is_sent_twice(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0](looks=None)
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        process = start(pytester.path)
        wait_for(lambda: states(pytester.path) == ["running"])
        process.kill()
        process.communicate()
        service.end()
        result = again(pytester)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["swapgate: batch: candidate: 4 are in a batch already, not sent again"])
    assert set(service.sent.values()) == {1}
    assert (len(service.sent), service.live) == (4, [])
    assert states(pytester.path) == ["ended"]


@pytest.mark.parametrize("provider", SERVICES)
def test_batch_of_another_projects_key_is_told_and_not_paid_again(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    service = SERVICES[provider][0](looks=None)
    strangers = "sk-of-another-project-0123456789"

    def of_projects(request: Received) -> Answer:
        if strangers in request.headers.values() or f"Bearer {strangers}" in request.headers.values():
            return Answer({"error": {"message": "no such batch"}}, status=404)
        return service.handle(request)

    with serving(of_projects) as server:
        service.url = server.url
        lay_batch(pytester.path, server.url, provider=provider)
        process = start(pytester.path)
        wait_for(lambda: states(pytester.path) == ["running"])
        process.kill()
        process.communicate()
        with monkeypatch.context() as patch:
            for name in KEYS:
                patch.setenv(name, strangers)
            result = again(pytester)
        result.stdout.fnmatch_lines(["*it was sent with another key*"])
        assert states(pytester.path) == ["running"]
        service.end()
        again(pytester).assert_outcomes(passed=4)
    assert (len(service.sent), set(service.sent.values()), service.live) == (4, {1}, [])
    file = (pytester.path / ".swapgate" / "batches.db").read_bytes()
    assert strangers.encode() not in file


@pytest.mark.parametrize("provider", SERVICES)
def test_batch_whose_id_was_never_heard_of_is_found_at_the_service(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0](looks=1)
    service.silence_s = 60
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        process = start(pytester.path)
        wait_for(lambda: len(service.batches) == 1)
        process.kill()
        process.communicate()
        assert states(pytester.path) == ["sending"]
        again(pytester).assert_outcomes(passed=4)
    assert set(service.sent.values()) == {1}
    assert (len(service.sent), service.live) == (4, [])


def test_run_that_was_killed_before_it_sent_anything_is_sent_by_the_next_one(
    pytester: pytest.Pytester,
) -> None:
    service = OpenAIService()
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        service.upload_s = 60
        process = start(pytester.path)
        wait_for(lambda: len(service.files) == 1)
        process.kill()
        process.communicate()
        assert (states(pytester.path), service.batches) == (["sending"], {})
        service.upload_s = 0
        again(pytester).assert_outcomes(passed=4)
    assert (len(service.sent), set(service.sent.values()), service.live) == (4, {1}, [])


@pytest.mark.parametrize("provider", SERVICES)
def test_connection_that_breaks_while_sending_does_not_send_twice(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0]()
    service.is_mute = True
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=4)
    assert (len(service.sent), set(service.sent.values()), service.live) == (4, {1}, [])


def test_batches_of_one_size_that_were_lost_together_are_told_apart_by_their_answers(
    pytester: pytest.Pytester,
) -> None:
    """Two models and the same cases: a service that takes no name along gives nothing else to go by."""
    service = AnthropicService()
    service.silence_s = 60
    names = [f"model-{n}" for n in range(4)]
    models = [f"--model={name}" for name in names]
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider="anthropic")
        entry = {"provider": "anthropic", "base_url": server.url}
        catalogue = {name: {**entry, "model": f"claude-{name}"} for name in names}
        lay(pytester.path, {"config/models.yml": json.dumps({"models": catalogue})})
        process = start_pytest(pytester.path, *models, "--batch", "--report=none")
        wait_for(lambda: len(service.batches) == len(names))
        process.kill()
        process.communicate()
        service.silence_s = 0
        pytester.runpytest(*models, "--batch", "--report=none").assert_outcomes(passed=16)
    assert (len(service.batches), set(service.sent.values()), service.live) == (4, {1}, [])
    assert states(pytester.path) == ["ended"] * 4


def test_another_batch_of_the_same_size_is_not_taken_for_ones_own(pytester: pytest.Pytester) -> None:
    service = AnthropicService()
    service.silence_s = 60
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider="anthropic")
        process = start(pytester.path)
        wait_for(lambda: len(service.batches) == 1)
        process.kill()
        process.communicate()
        # The service never made ours; somebody else's has as many requests.
        (batch,) = service.batches.values()
        for number, request in enumerate(batch.requests):
            request["custom_id"] = f"stranger-{number}"
        service.silence_s = 0
        again(pytester).assert_outcomes(passed=4)
    assert [len(batch.requests) for batch in service.batches.values()] == [4, 4]
    assert (service.live, service.cancelled) == ([], [])


def test_answers_that_nobody_asks_for_are_stored_all_the_same(pytester: pytest.Pytester) -> None:
    service = OpenAIService(looks=None)
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        process = start(pytester.path)
        wait_for(lambda: states(pytester.path) == ["running"])
        process.kill()
        process.communicate()
        service.end()
        again(pytester, "-k", "case-1").assert_outcomes(passed=1, deselected=3)
        again(pytester).assert_outcomes(passed=4)
    assert (len(service.batches), service.live) == (1, [])


def test_two_processes_at_once_send_every_request_once(tmp_path: Path) -> None:
    service = OpenAIService(looks=None)
    with serving_batches(service) as server:
        # A lease is six looks long: nobody may take the one process, busy as this machine is, for dead.
        lay_batch(tmp_path, server.url, cases=30, poll_s=0.5)
        both = [start(tmp_path), start(tmp_path)]
        wait_for(lambda: states(tmp_path) == ["running"] and all(p.poll() is None for p in both))
        service.end()
        outputs = [finish(process) for process in both]
    assert all("30 passed" in output for output in outputs), outputs
    assert (len(service.sent), set(service.sent.values()), service.live) == (30, {1}, [])


def test_interrupted_run_leaves_its_batch_and_says_how_to_go_on(pytester: pytest.Pytester) -> None:
    service = OpenAIService(looks=None)
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        process = start(pytester.path)
        wait_for(lambda: states(pytester.path) == ["running"])
        process.send_signal(signal.SIGINT)
        output = finish(process)
        assert process.returncode == 2
        assert "4 requests still running at openai: `pytest --model=candidate --batch" in output
        assert "`swapgate batch cancel --all`" in output
        assert service.cancelled == []
        service.end()
        again(pytester).assert_outcomes(passed=4)
    assert set(service.sent.values()) == {1}


# What the batch does not answer


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_what_expires_unanswered_is_called_live_and_the_rest_is_kept(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0](fate=fate_of(("case-1", None)), end_state="expired")
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
    result.assert_outcomes(passed=4)
    assert len(service.live) == 1
    result.stdout.fnmatch_lines(["*batch: candidate: 1 called live: the batch *1 has not answered in time"])


@pytest.mark.parametrize("provider", SERVICES)
def test_batch_that_fails_as_a_whole_is_called_live(pytester: pytest.Pytester, provider: str) -> None:
    service = SERVICES[provider][0](fate=lambda _body: None, end_state="failed")
    if provider == "anthropic":
        service.end_state = "ended"
        service.fate = lambda _body: Failed(529, "overloaded_error")
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=4)
    assert len(service.live) == 4


@pytest.mark.parametrize(
    ("provider", "refusal", "hiccup"),
    [
        ("openai", Failed(400, "invalid_request_error"), Failed(500, "server_error")),
        ("anthropic", Failed(400, "invalid_request_error"), Failed(500, "api_error")),
        ("gemini", Failed(3, "INVALID_ARGUMENT"), Failed(13, "INTERNAL")),
    ],
)
def test_refused_request_is_an_error_and_a_passing_fault_is_called_live(
    pytester: pytest.Pytester, provider: str, refusal: Failed, hiccup: Failed
) -> None:
    service = SERVICES[provider][0](fate=fate_of(("case-1", refusal), ("case-2", hiccup)))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
    result.assert_outcomes(passed=3, errors=1)
    assert len(service.live) == 1
    _run, trials = newest_run(pytester.path)
    (error,) = [trial.error for trial in trials if trial.error]
    assert (error.kind, "told so" in error.message) == ("bad_request", True)


def test_refused_parameter_is_told_as_a_live_call_would_tell_it(pytester: pytest.Pytester) -> None:
    told = Failed(
        400, "invalid_request_error", "Unsupported parameter: 'max_completion_tokens' is not supported"
    )
    with serving_batches(OpenAIService(fate=lambda _body: told)) as server:
        lay_batch(pytester.path, server.url, params={"max_tokens": 5})
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
    result.stdout.fnmatch_lines(["*refused_parameter*unset: ?max_tokens?*"])


@pytest.mark.parametrize("provider", SERVICES)
def test_deadline_cancels_the_batch_keeps_its_answers_and_calls_the_rest_live(
    pytester: pytest.Pytester, provider: str
) -> None:
    service = SERVICES[provider][0](looks=None, fate=fate_of(("case-1", None)))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, provider=provider)
        deadline = "--swapgate-batch-deadline=0.00005"
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none", deadline)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*called live: the batch * was not done at the deadline*"])
    assert service.cancelled == list(service.batches)
    # This one of Google's has no results once it is cancelled.
    assert len(service.live) == (4 if provider == "gemini" else 1)


def test_service_that_takes_no_batch_is_called_live(pytester: pytest.Pytester) -> None:
    service = OpenAIService()
    service.is_refusing = True
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
    result.assert_outcomes(passed=4)
    assert len(service.live) == 4
    result.stdout.fnmatch_lines(["*batch: candidate: 4 called live: no batch was taken: *HTTP 400*"])
    assert states(pytester.path) == []


def test_address_where_nobody_listens_is_told_at_once_and_ends_as_a_live_run_would(
    pytester: pytest.Pytester,
) -> None:
    with serving_batches(OpenAIService()) as server:
        url = server.url
    lay_batch(pytester.path, url)
    result = again(pytester)
    result.assert_outcomes(errors=4)
    lines = result.outlines
    said = [line for line in lines if "4 not taken yet, asking again" in line]
    assert len(said) == 1
    assert "connection refused: is the server running?" in said[0]
    assert lines.index(said[0]) < next(n for n, line in enumerate(lines) if "= ERRORS =" in line)


def test_results_at_another_host_get_no_key_and_are_asked_for_here(pytester: pytest.Pytester) -> None:
    service, stranger = AnthropicService(), AnthropicService()
    with serving_batches(service) as server, serving_batches(stranger) as elsewhere:
        service.results_host = elsewhere.url
        lay_batch(pytester.path, server.url, provider="anthropic")
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=4)
        assert elsewhere.requests == []
    assert (len(service.batches), service.live) == (1, [])


def test_key_stands_in_no_file_although_the_service_repeats_it(pytester: pytest.Pytester) -> None:
    key = "sk-planted-0123456789abcdef"
    told = json.dumps({"label": "billing", "told": key})
    service = OpenAIService(fate=fate_of(("case-1", Failed(400, "bad", f"no {key}")), rest=told))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        result = pytester.runpytest("--model=candidate", "--batch")
    assert key not in result.stdout.str() + result.stderr.str()
    files = [path for path in pytester.path.rglob("*") if path.is_file()]
    assert [path for path in files if key.encode() in path.read_bytes()] == []


def test_result_longer_than_one_chunk_and_many_requests_are_one_batch(pytester: pytest.Pytester) -> None:
    long = json.dumps({"label": "billing", "pad": "x" * 200_000})
    service = OpenAIService(fate=fate_of(('case-7"', long)))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url, cases=300)
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=300)
    assert [len(batch.requests) for batch in service.batches.values()] == [300]


def test_line_that_is_larger_than_any_answer_is_left_out_and_called_live(pytester: pytest.Pytester) -> None:
    service = OpenAIService(fate=fate_of(("case-1", "x" * 11_000_000)))
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        result = again(pytester)
    result.assert_outcomes(passed=4)
    assert len(service.live) == 1
    result.stdout.fnmatch_lines(["*1 called live: the batch batch_1 ended without their answers"])


# What is refused, and what is said


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("--stop-early", "leave out one of them"),
        ("-x", "leave them out"),
        ("--maxfail=3", "leave them out"),
        ("-n2", "leave out -n"),
    ],
)
def test_what_makes_no_sense_with_batches_is_refused(
    pytester: pytest.Pytester, argument: str, remedy: str
) -> None:
    service = OpenAIService()
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        result = again(pytester, argument)
        assert server.requests == []
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == 4
    assert remedy in output
    assert "Traceback" not in output


def test_replay_asks_no_batch_api(pytester: pytest.Pytester) -> None:
    service = OpenAIService()
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        pytester.runpytest("--model=candidate", "--batch", "--report=none").assert_outcomes(passed=4)
        server.requests.clear()
        pytester.runpytest("--model=candidate", "--batch", "--replay", "-x").assert_outcomes(passed=4)
        assert server.requests == []


def test_model_without_a_batch_api_is_called_live_and_said_before(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = OpenAIService()
    with serving_batches(service) as server:
        lay_batch(pytester.path, server.url)
        models = {"candidate": {"provider": "deepseek", "model": "m", "base_url": f"{server.url}/v1"}}
        lay(pytester.path, {"config/models.yml": json.dumps({"models": models})})
        monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-planted-0123456789abcdef")
        result = pytester.runpytest("--model=candidate", "--batch", "--report=none")
    result.assert_outcomes(passed=4)
    assert (len(service.live), service.batches) == (4, {})
    result.stdout.fnmatch_lines(
        ["*warning: --batch: called live, for want of a batch API: candidate (deepseek)"]
    )


# The command line


def test_list_and_cancel_and_what_is_cancelled_is_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = OpenAIService(looks=None)
    with serving_batches(service) as server:
        lay_batch(tmp_path, server.url)
        assert main(["batch", "list", "--root", str(tmp_path)]) == 0
        assert "no batches" in capsys.readouterr().out
        process = start(tmp_path)
        wait_for(lambda: states(tmp_path) == ["running"])
        process.kill()
        process.communicate()
        assert main(["batch", "list", "--root", str(tmp_path)]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[:6] == (
            ["batch_1", "openai", "candidate", "running", "4", "4"]
        )
        assert main(["batch", "cancel", "batch_7", "--root", str(tmp_path)]) == 4
        assert "no batch 'batch_7'. Did you mean 'batch_1'?" in capsys.readouterr().err
        assert main(["batch", "cancel", "--root", str(tmp_path)]) == 4
        assert main(["batch", "cancel", "--all", "--root", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "cancelled: batch_1\n"
        assert service.cancelled == ["batch_1"]
        service.fate = fate_of(("case-1", None))
        process = start(tmp_path)
        wait_for(lambda: len(service.batches) == 2)
        service.fate = fate_of()
        service.end()
        assert "4 passed" in finish(process)
    assert [len(batch.requests) for batch in service.batches.values()] == [4, 1]
    assert service.live == []
    capsys.readouterr()
    assert main(["batch", "list", "--json", "--root", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(batch["state"], batch["open_requests"]) for batch in told] == [("ended", 0), ("cancelled", 0)]
