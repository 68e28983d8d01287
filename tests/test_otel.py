"""A run sent to OpenTelemetry: to a real receiver on loopback, which decodes what arrives."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from requests import RequestException

from processes import PATIENCE_S
from reporting_outcome import CANDIDATE, HOSTILE, made_up_outcome
from servers import Answer, Received, Server, serving
from swapgate.analysis.outcome import RunOutcome
from swapgate.cli import main
from swapgate.errors import ErrorKind, StoreError
from swapgate.records import Answer as ModelAnswer
from swapgate.records import Message, ModelIdentity, Response, ToolCall, Trial, TrialError, Usage
from swapgate.reporting import find_reporter
from swapgate.reporting.otel import names
from swapgate.reporting.otel.content import VARIABLE
from swapgate.reporting.otel.failures import Heard, NobodyThere, hearing_session
from swapgate.reporting.otel.metrics import SECONDS, Series
from workspaces import BLIND, RIGHT, recorded_workspace

KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
SECRET = "Bearer sk-not-to-be-told"


class Collector:
    """What a receiver got, decoded."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def _messages(self, path: str) -> list[Any]:
        return [KINDS[path].FromString(r.body) for r in self._server.requests if r.path == path]

    @property
    def spans(self) -> list[Span]:
        groups = [g for m in self._messages("/v1/traces") for g in m.resource_spans]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    @property
    def events(self) -> list[Any]:
        groups = [g for m in self._messages("/v1/logs") for g in m.resource_logs]
        return [record for group in groups for scope in group.scope_logs for record in scope.log_records]

    @property
    def metrics(self) -> dict[str, Any]:
        groups = [g for m in self._messages("/v1/metrics") for g in m.resource_metrics]
        return {
            metric.name: metric
            for group in groups
            for scope in group.scope_metrics
            for metric in scope.metrics
        }

    @property
    def resource(self) -> dict[str, Any]:
        return plain(self._messages("/v1/traces")[0].resource_spans[0].resource.attributes)


def plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return plain(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(Answer(b"")) as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def collector(server: Server) -> Collector:
    return Collector(server)


def send(outcome: RunOutcome, folder: Path) -> dict[str, Any]:
    path = find_reporter("otel").write(outcome, folder)
    return dict(json.loads(path.read_text()))


def one_trial(trial: Trial, *, identity: ModelIdentity | None = None) -> RunOutcome:
    outcome = made_up_outcome()
    models = (identity or ModelIdentity(name="m", provider="mistral", model="mistral-large-2512"),)
    return replace(outcome, run=replace(outcome.run, models=models, baseline=None), trials=[trial])


def answered(**fields: Any) -> Trial:
    response = Response(
        text=fields.pop("text", "yes"),
        usage=Usage(tokens_in=100, tokens_out=7, tokens_cached_in=60, tokens_reasoning=3),
        latency_s=1.5,
        ttft_s=0.25,
        model_served="mistral-large-2512-eu",
        request_id="cmpl-7",
        fingerprint="fp_1",
        tool_calls=fields.pop("tool_calls", ()),
    )
    answer = ModelAnswer(
        response=response, model="m", cost_usd=0.002, from_cache=fields.pop("from_cache", False)
    )
    return Trial(suite="s", case="c", model="m", answer=answer, **fields)


def test_a_run_is_one_trace_of_trials_and_calls(collector: Collector, tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    receipt = send(outcome, tmp_path)
    spans = collector.spans
    (root,) = [span for span in spans if not span.parent_span_id]
    trials = [span for span in spans if span.parent_span_id == root.span_id]
    assert len(trials) == len(outcome.trials)
    assert {span.trace_id.hex() for span in spans} == {receipt["trace_id"]}
    assert receipt["spans"] == len(spans)
    assert plain(root.attributes)["swapgate.gate.answer"] == "fail"
    by_id = {span.span_id: span for span in spans}
    calls = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert all(by_id[call.parent_span_id].name.startswith("trial ") for call in calls)


def test_a_call_has_the_attributes_of_the_conventions(collector: Collector, tmp_path: Path) -> None:
    identity = ModelIdentity(
        name="m",
        provider="mistral",
        model="mistral-large-2512",
        base_url="https://user:hidden@eu.example.com/v1?key=hidden",
    )
    send(one_trial(answered(), identity=identity), tmp_path)
    (call,) = [span for span in collector.spans if span.name == "chat mistral-large-2512"]
    assert plain(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "mistral-large-2512",
        "gen_ai.response.model": "mistral-large-2512-eu",
        "gen_ai.response.id": "cmpl-7",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "openai.response.system_fingerprint": "fp_1",
        "server.address": "eu.example.com",
        "server.port": 443,
        "swapgate.attempts": 1,
        "swapgate.cost_usd": 0.002,
        "swapgate.from_cache": False,
        "swapgate.is_fallback": False,
    }
    assert call.end_time_unix_nano - call.start_time_unix_nano == 1_500_000_000


def test_verdicts_are_events_at_the_call_that_they_are_about(collector: Collector, tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    send(outcome, tmp_path)
    events = collector.events
    assert {event.event_name for event in events} == {"gen_ai.evaluation.result"}
    names_of = {span.span_id: span.name for span in collector.spans}
    assert all(names_of[event.span_id].startswith("chat ") for event in events)
    said = [plain(event.attributes) for event in events]
    labels = [one.get("gen_ai.evaluation.score.label") for one in said]
    judged = [v for t in outcome.trials if t.answer for v in t.verdicts]
    checked = [c for t in outcome.trials if t.answer for c in t.checks]
    scores = sum(len(v.scores) for v in judged)
    assert len(said) == len(judged) + len(checked) + scores
    assert labels.count("fail") == sum(v.passed is False for v in judged) + sum(not c.passed for c in checked)
    assert sum("gen_ai.evaluation.score.value" in one for one in said) == scores


def test_what_was_asked_and_answered_stays_here_unless_it_is_asked_for(
    server: Server, collector: Collector, tmp_path: Path
) -> None:
    trial = answered(
        text="the secret answer", messages=(Message(role="user", content="the secret question"),)
    )
    send(one_trial(trial), tmp_path)
    assert b"secret" not in b"".join(request.body for request in server.requests)
    send(made_up_outcome(cases=4), tmp_path)
    assert all(names.EVALUATION_EXPLANATION not in plain(event.attributes) for event in collector.events)


@pytest.mark.parametrize("word", ["SPAN_ONLY", "span_and_event", "EVENT_ONLY", "true"])
def test_content_goes_where_the_variable_says(
    word: str, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, word)
    trial = answered(
        text="done",
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="Go?")),
        tool_calls=(ToolCall(name="go", arguments='{"far": 2}', id="t1"),),
    )
    send(one_trial(trial), tmp_path)
    (call,) = [span for span in collector.spans if span.name.startswith("chat ")]
    expected_in = [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Go?"}]},
    ]
    called = {"type": "tool_call", "id": "t1", "name": "go", "arguments": '{"far": 2}'}
    expected_out = [
        {"role": "assistant", "parts": [{"type": "text", "content": "done"}, called], "finish_reason": "stop"}
    ]
    on_span = plain(call.attributes)
    details = [plain(e.attributes) for e in collector.events if e.event_name == names.DETAILS]
    if word.upper() == "EVENT_ONLY":
        assert names.INPUT_MESSAGES not in on_span
    else:
        assert json.loads(on_span[names.INPUT_MESSAGES]) == expected_in
        assert json.loads(on_span[names.OUTPUT_MESSAGES]) == expected_out
    if "EVENT" in word.upper():
        (said,) = details
        assert (said[names.INPUT_MESSAGES], said[names.OUTPUT_MESSAGES]) == (expected_in, expected_out)
        assert said[names.REQUEST_MODEL] == "mistral-large-2512"
    else:
        assert details == []


def test_an_errored_call_says_its_kind_and_what_was_never_sent_is_no_call(
    collector: Collector, tmp_path: Path
) -> None:
    def failed(kind: ErrorKind) -> Trial:
        return Trial(suite="s", case=kind.value, model="m", error=TrialError(kind=kind, message="it broke"))

    kinds = (ErrorKind.TIMEOUT, ErrorKind.BUDGET)
    outcome = replace(one_trial(answered()), trials=[failed(kind) for kind in kinds])
    send(outcome, tmp_path)
    (call,) = [span for span in collector.spans if span.name.startswith("chat ")]
    assert plain(call.attributes)["error.type"] == "timeout"
    assert call.status.code == 2
    trials = {plain(s.attributes).get("test.case.name"): s for s in collector.spans if s.name == "trial s"}
    assert {name: plain(s.attributes)["error.type"] for name, s in trials.items()} == {
        "timeout": "timeout",
        "budget": "budget",
    }


def test_metrics_count_calls_that_were_made_and_not_the_cache(collector: Collector, tmp_path: Path) -> None:
    outcome = one_trial(answered())
    trials = [answered(), replace(answered(), case="d"), replace(answered(from_cache=True), case="e")]
    send(replace(outcome, trials=trials), tmp_path)
    metrics = collector.metrics
    assert set(metrics) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "swapgate.rate",
    }
    (duration,) = metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (duration.count, duration.sum) == (2, 3.0)
    usage = metrics["gen_ai.client.token.usage"].histogram.data_points
    assert {plain(p.attributes)["gen_ai.token.type"]: p.sum for p in usage} == {"input": 200, "output": 14}
    rates = metrics["swapgate.rate"].gauge.data_points
    (rate,) = [
        p.as_double
        for p in rates
        if plain(p.attributes)
        == {"swapgate.model": CANDIDATE, "swapgate.role": "candidate", "swapgate.measure": "semantic"}
    ]
    (summary,) = [s for s in outcome.summaries if s.model == CANDIDATE and s.scope.name == "all suites"]
    assert rate == summary.semantic.rate


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50))
def test_a_histogram_counts_every_value_between_its_boundaries(values: list[float]) -> None:
    series = Series(bounds=SECONDS, attributes={})
    for value in values:
        series.add(value)
    edges = [float("-inf"), *SECONDS, float("inf")]
    expected = [sum(low < v <= high for v in values) for low, high in pairwise(edges)]
    assert series.counts == expected


def test_a_run_that_is_sent_twice_has_the_same_ids(collector: Collector, tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    send(outcome, tmp_path)
    first = [span.span_id for span in collector.spans]
    send(outcome, tmp_path)
    assert [span.span_id for span in collector.spans] == first * 2
    assert len(set(first)) == len(first)


def test_many_trials_go_in_several_requests(server: Server, collector: Collector, tmp_path: Path) -> None:
    outcome = one_trial(answered())
    trials = [replace(answered(), case=f"c{number}") for number in range(700)]
    receipt = send(replace(outcome, trials=trials), tmp_path)
    assert receipt["spans"] == len(collector.spans) == 1 + 2 * 700
    assert sum(request.path == "/v1/traces" for request in server.requests) == 3


def test_hostile_texts_arrive(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "SPAN_ONLY")
    trial = answered(text=HOSTILE, messages=(Message(role="user", content="\ud800\x00" + "x" * 5_000_000),))
    send(one_trial(replace(trial, case=HOSTILE, suite="\udfff")), tmp_path)
    (call,) = [span for span in collector.spans if span.name.startswith("chat ")]
    (message,) = json.loads(plain(call.attributes)[names.OUTPUT_MESSAGES])
    assert message["parts"][0]["content"] == HOSTILE.replace("\ud800", "\ufffd")


def test_the_standard_variables_name_the_service_and_turn_signals_off(
    server: Server, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    receipt = send(made_up_outcome(), tmp_path)
    assert collector.resource["service.name"] == "nightly"
    assert {request.path for request in server.requests} == {"/v1/traces"}
    assert (receipt["events"], receipt["metrics"], receipt["failed"]) == (0, 0, {})


def test_the_service_is_swapgate_by_default(collector: Collector, tmp_path: Path) -> None:
    send(made_up_outcome(), tmp_path)
    assert collector.resource["service.name"] == "swapgate"


def test_a_signal_that_is_refused_keeps_the_others_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Received) -> Answer:
        return Answer(b"", status=404 if request.path == "/v1/logs" else 200)

    with serving(answer) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        with pytest.raises(StoreError, match="not all events: the answer was HTTP 404"):
            send(made_up_outcome(), tmp_path)
        assert Collector(server).metrics
    receipt = json.loads((tmp_path / "otel.json").read_text())
    assert receipt["spans"] > 0
    assert list(receipt["failed"]) == ["events"]


def test_no_header_and_no_query_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Answer(b"go away", status=401)) as server:
        endpoint = f"{server.url}?api_key={SECRET[-8:]}".replace("//", f"//{SECRET[-8:]}@")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={SECRET}")
        with pytest.raises(StoreError) as failure:
            send(made_up_outcome(), tmp_path)
        assert server.requests[-1].headers["authorization"] == SECRET
    out, err = capfd.readouterr()
    told = f"{failure.value}{out}{err}{(tmp_path / 'otel.json').read_text()}"
    assert "HTTP 401" in told
    assert SECRET[-8:] not in told


def test_nobody_there_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    # The exporters would try again for 31 s.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
    started = time.monotonic()
    with pytest.raises(StoreError, match="connection refused"):
        send(made_up_outcome(cases=2), tmp_path)
    assert time.monotonic() - started < 20


def test_a_receiver_that_was_there_is_tried_again() -> None:
    session = hearing_session(Heard())
    with serving(Answer(b"")) as server:
        session.post(f"{server.url}/v1/traces")
    with pytest.raises(RequestException):  # which the exporters take for a reason to try again
        session.post(f"{server.url}/v1/traces")
    with pytest.raises(NobodyThere):
        hearing_session(Heard()).post(f"{server.url}/v1/traces")


def test_one_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(b"", delay_s=600)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
        started = time.monotonic()
        with pytest.raises(StoreError, match="timed out"):
            send(made_up_outcome(cases=2), tmp_path)
        assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (VARIABLE, "SPANS_ONLY", "Did you mean 'SPAN_ONLY'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf alone"),
        ("OTEL_SDK_DISABLED", "true", "OTEL_SDK_DISABLED"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is no .* as in http:"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://localhost:99999",
            "OTEL_EXPORTER_OTLP_ENDPOINT is no address",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector/v1/logs", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is no"),
    ],
)
def test_variables_that_ask_for_what_is_not_there_are_told(
    variable: str, value: str, said: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StoreError, match=said):
        send(made_up_outcome(), tmp_path)
    assert server.requests == []


def test_a_run_is_sent_when_it_ends_and_again_from_the_history(
    pytester: pytest.Pytester,
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded_workspace(pytester.path, {"a": {"one": RIGHT, "two": BLIND}})
    result = pytester.runpytest_subprocess("--model=a", "--report=otel")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*otel.json*"])
    first = [span.span_id for span in collector.spans]
    assert len(first) == 1 + 2 * 2
    monkeypatch.setenv("SWAPGATE_REPORT", "otel")
    assert main(["report", "latest"]) == 0
    assert "otel.json" in capsys.readouterr().out
    assert [span.span_id for span in collector.spans] == first * 2


def test_an_endpoint_out_of_reach_leaves_the_verdict(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    recorded_workspace(pytester.path, {"a": {"one": RIGHT, "two": RIGHT}})
    result = pytester.runpytest_subprocess("--model=a", "--report=json", "--report=otel")
    result.stdout.fnmatch_lines(["*report otel: *connection refused*", "*2 passed*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == 0
    assert list(pytester.path.glob("reports/*-*/report.json"))


def test_a_missing_library_is_told_with_what_installs_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StoreError, match=r"pip install 'swapgate\[otel\]'"):
        send(made_up_outcome(), tmp_path)
    assert server.requests == []
