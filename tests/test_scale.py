"""What is gone through is not held: many stored answers and trials take no more memory than some do."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from swapgate.memory.cache import Recording, ResponseCache, read_recordings, take_in, write_recordings
from swapgate.memory.history import HistoryWriter
from swapgate.records import Answer, CheckResult, Message, ModelIdentity, Response, Run, Shard, Trial
from swapgate.reporting.report_json import JsonReporter, load_report
from swapgate.runs.concluded import concluded
from swapgate.runs.found_shards import find_shards
from swapgate.runs.stored import load_baseline, load_run
from swapgate.spec.settings import Settings, resolve_settings
from swapgate.values import replace

TEXT = "The query is built from user input. " * 300
MANY = 1600
# All the texts are some 17 MB.
ALL = len(TEXT) * MANY
RUN = Run(
    id="20260101-100000-aaaaaa",
    started_at="2026-01-01T10:00:00.000+00:00",
    finished_at="2026-01-01T10:00:05.000+00:00",
    models=(ModelIdentity(name="new", provider="openai", model="new"),),
    suites=("triage",),
    planned=MANY,
    is_complete=True,
    settings={"gate": {"semantic": {"min": 0.5, "on": "point"}}, "suite_gates": {}},
)
OLD = replace(
    RUN,
    id="20251231-090000-bbbbbb",
    started_at="2025-12-31T09:00:00.000+00:00",
    models=(ModelIdentity(name="old", provider="openai", model="old"),),
)


@contextmanager
def held_less_than(limit: float) -> Iterator[None]:
    """Hold the block to a peak of so many bytes."""
    tracemalloc.start()
    try:
        yield
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


def recordings() -> Iterator[Recording]:
    for number in range(MANY, 0, -1):
        about = {"suite": "triage", "case": f"case-{number:05d}", "model": "new"}
        yield Recording(key=f"k{number}", about=about, response=Response(text=f"{number} {TEXT}"))


def store(root: Path, run: Run, *, numbers: range = range(MANY)) -> None:
    (model,) = run.models
    writer = HistoryWriter(root / ".swapgate" / "history.db", run)
    for number in numbers:
        trial = Trial(
            suite="triage",
            case=f"case-{number:05d}",
            model=model.name,
            prompt_hash="0" * 64,
            messages=(Message(role="user", content=f"{number} {TEXT}"),),
            answer=Answer(response=Response(text="{}"), model=model.name),
            checks=(CheckResult(check="expected", kind="semantic", passed=number % 9 > 0),),
        )
        writer.add(trial)
    writer.finish(run)


def settings_of(root: Path) -> Settings:
    return resolve_settings(root, {}, {})


def test_answers_go_through_export_and_import_and_are_not_held(tmp_path: Path) -> None:
    path, file = tmp_path / "cache.db", tmp_path / "recorded.jsonl"
    with held_less_than(ALL * 0.8):
        assert take_in(recordings(), path) == MANY
    with held_less_than(ALL * 0.8), closing(ResponseCache(path)) as cache, file.open("wb") as stream:
        assert write_recordings(cache.export(), stream) == MANY
    cases = [recording.about["case"] for recording in read_recordings(file)]
    assert cases == [f"case-{number:05d}" for number in range(1, MANY + 1)]


def test_counting_answers_reads_none_of_them(tmp_path: Path) -> None:
    take_in(recordings(), tmp_path / "cache.db")
    with held_less_than(ALL / 10), closing(ResponseCache(tmp_path / "cache.db")) as cache:
        assert sum(about["model"] == "new" for about in cache.abouts()) == MANY


def test_a_stored_run_is_reported_beside_its_baseline_and_neither_is_held(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    store(tmp_path, OLD)
    store(tmp_path, replace(RUN, baseline=f"old@{OLD.id}"))
    with held_less_than(ALL / 2):
        run, trials = load_run(RUN.id, settings)
        outcome = concluded(run, trials, settings, warn=lambda _text: None)
        path = JsonReporter().write(outcome, tmp_path / "reports")
    assert len(outcome.trials) == len(outcome.facts) == 2 * MANY
    (compared,) = outcome.comparisons
    assert (compared.candidate, compared.baseline) == ("new", f"old@{OLD.id}")
    written = [(trial.case, trial.model, trial.role) for trial in load_report(path)[1]]
    assert written[:2] == [("case-00000", "new", "candidate"), ("case-00000", f"old@{OLD.id}", "baseline")]
    assert len(set(written)) == 2 * MANY


def test_a_baseline_is_held_in_facts_and_its_texts_are_read_where_they_are_stored(tmp_path: Path) -> None:
    store(tmp_path, OLD)
    with held_less_than(ALL / 2):
        baseline = load_baseline(f"old@{OLD.id}", settings_of(tmp_path))
        assert sum(trial.messages[0].content.startswith("7") for trial in baseline.trials) == 111
    assert {(one.model, one.role) for one in baseline.facts} == {(f"old@{OLD.id}", "baseline")}


def test_shards_are_found_and_held_against_each_other_without_their_texts(tmp_path: Path) -> None:
    for number in (1, 2):
        shard = Shard(number=number, count=2, plan="p", sizes=(MANY // 2, MANY // 2))
        run = replace(RUN, id=f"2026010{number}-100000-aaaaaa", shard=shard)
        store(tmp_path, run, numbers=range(number - 1, MANY, 2))
    with held_less_than(ALL / 2):
        shards = find_shards([str(tmp_path / ".swapgate" / "history.db")], settings_of(tmp_path))
        assert [sum(1 for _trial in one.trials) for one in shards] == [MANY // 2, MANY // 2]
    assert [len(one.facts) for one in shards] == [MANY // 2, MANY // 2]
