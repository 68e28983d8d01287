"""`--ray`: the same run with its models and the user's code in Ray's workers, real ones on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import swapgate
from processes import MARK, marked, start_pytest, wait_for
from ray_here import needs_ray, small_cluster
from servers import Answer, Received, openai_completion, serving
from swapgate.cli import main
from swapgate.errors import ErrorKind
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.shadow.records import Stored
from swapgate.shadow.store import ShadowStore
from workspaces import JUDGE, case, lay, newest_run, outputs, suite

HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}, {python: {call: "mine:is_short"}}, {expected: [/label]}]
judges: [meaning]
"""
CODE = """\
import os, signal, time
from pathlib import Path

HERE = Path(__file__).parent


def answer(message):
    dies = HERE / f"{message.removeprefix('about ')}.dies"
    if dies.exists():
        if dies.read_text() == "once":
            dies.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("ANSWER_S", "0")))
    return {"label": "bug" if message.endswith("-3") else "billing", "pid": os.getpid(), "at": str(HERE)}


def is_short(text):
    dies = HERE / "check.dies"
    if dies.exists():
        dies.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return len(text) < 500 or f"too long in {os.getpid()}"


def secrets(message):
    return {"label": "billing", "files": sorted(path.name for path in HERE.iterdir())}
"""
GATE = {"semantic": {"min": 0.5, "on": "point"}}
PASS = json.dumps({"evidence": [], "reasoning": "So it is.", "agrees": "pass"})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with small_cluster() as found:
        yield found


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forget a test's own code: another test's module of the same name lies in another folder."""
    before = list(sys.path)
    yield
    sys.modules.pop("theirs", None)
    sys.path[:] = before


def lay_own_code(root: Path, *, cases: int = 6, models: dict[str, object] | None = None) -> None:
    names = [f"case-{n}" for n in range(cases)]
    own = {"mine": {"provider": "python", "model": "mine:answer"}}
    judge = {"judge": {"provider": "recorded", "path": "outputs/judge.jsonl"}}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(name) for name in names], head=HEAD, gate=GATE),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": {**own, **judge, **(models or {})}}),
            "outputs/judge.jsonl": outputs(dict.fromkeys(names, PASS)),
            "mine.py": CODE,
        },
    )


def answers(root: Path) -> list[dict[str, object]]:
    return [json.loads(trial.answer.response.text) for trial in newest_run(root)[1] if trial.answer]


@needs_ray
@pytest.mark.usefixtures("address")
def test_a_run_on_ray_is_the_run_without_it_but_for_the_processes(pytester: pytest.Pytester) -> None:
    lay_own_code(pytester.path)
    here = pytester.runpytest_inprocess("--model=mine")
    run, trials = newest_run(pytester.path)
    there = pytester.runpytest_inprocess("--model=mine", "--ray=local")
    run_there, trials_there = newest_run(pytester.path)
    there.stdout.fnmatch_lines(["swapgate: 6 trials of 6 cases, 16 calls at once, on Ray (local); *"])
    assert here.ret == there.ret == 0
    assert here.parseoutcomes() == there.parseoutcomes() == {"passed": 5, "missed": 1}
    assert run.id != run_there.id
    for one, other in zip(trials, trials_there, strict=True):
        assert (one.case, one.checks, one.outcome) == (other.case, other.checks, other.outcome)
        assert [v.passed for v in one.verdicts] == [v.passed for v in other.verdicts]
    pids = {answer["pid"] for answer in answers(pytester.path)}
    assert os.getpid() not in pids
    assert len(pids) == 2


@needs_ray
@pytest.mark.usefixtures("address")
def test_models_over_http_are_asked_from_this_process_and_paid_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The workers do not have the key: they were started before it was set.
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")

    def handler(request: Received) -> Answer:
        return Answer(openai_completion('{"label": "billing"}'))

    with serving(handler) as server:
        shared = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "model": "m"}
        lay_own_code(pytester.path, models={"far": {**shared, "api_key_env": "PLANTED_KEY"}})
        assert pytester.runpytest_inprocess("--model=far", "--ray=local").ret == 0
        assert len(server.requests) == 6


JUDGING_CODE = """\
import os

def score(text):
    return {"score": os.getpid(), "reason": "by its process"}

def breaks(text):
    raise LookupError("nothing there")
"""


@needs_ray
@pytest.mark.usefixtures("address")
def test_a_judge_that_is_code_runs_on_a_worker_and_brings_its_blame_back(pytester: pytest.Pytester) -> None:
    lay(
        pytester.path,
        {
            "cases/triage.yml": suite([case("one")], head=HEAD.replace("[meaning]", "[mine, wrong]")),
            "judges/mine.yml": "judge: mine\nkind: python\ncall: scorers:score\n",
            "judges/wrong.yml": "judge: wrong\nkind: python\ncall: scorers:breaks\n",
            "config/models.yml": json.dumps(
                {"models": {"new": {"provider": "recorded", "path": "new.jsonl"}}}
            ),
            "new.jsonl": outputs({"one": '{"label": "billing"}'}),
            "scorers.py": JUDGING_CODE,
            "mine.py": CODE,
        },
    )
    pytester.runpytest_inprocess("--model=new", "--ray=local")
    (trial,) = newest_run(pytester.path)[1]
    assert trial.verdicts[0].passed is True
    assert trial.verdicts[0].scores["score"] not in {0, os.getpid()}
    assert trial.error is not None
    assert (trial.error.kind.value, trial.error.source) == ("user_code", "judge:wrong")
    assert "the judge 'wrong' could not be decided: LookupError: nothing there" in trial.error.message


@needs_ray
@pytest.mark.usefixtures("address")
def test_what_a_killed_worker_had_in_hand_is_done_elsewhere_once(pytester: pytest.Pytester) -> None:
    lay_own_code(pytester.path, cases=8)
    (pytester.path / "case-1.dies").write_text("once")
    # Calls go to the two workers in turn: this one never meets the other.
    (pytester.path / "case-4.dies").write_text("always")
    outcome = swapgate.run(model="mine", root=pytester.path, ray="local", gate={**GATE, "errors": 0.5})
    errored = [trial for trial in outcome.trials if trial.error is not None]
    assert [trial.case for trial in errored] == ["case-4"]
    assert errored[0].error is not None
    assert errored[0].error.kind is ErrorKind.INTERNAL
    assert "the Ray worker that was at it ended, and so did a second one" in errored[0].error.message
    assert len(outcome.trials) == 8


@needs_ray
def test_a_cluster_elsewhere_gets_a_copy_of_the_workspace_without_what_is_secret(
    address: str, tmp_path: Path
) -> None:
    lay_own_code(tmp_path, models={"spy": {"provider": "python", "model": "mine:secrets"}})
    lay(tmp_path, {".env": "KEY=1", "weights.gguf": "GGUF", "reports/old.txt": "x", ".swapgate/x": "x"})
    code = f"import swapgate; swapgate.run(model=['mine', 'spy'], root='.', ray={address!r})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = answers(tmp_path)
    assert all(answer.get("at") != str(tmp_path) for answer in told)
    seen = {str(name) for answer in told for name in answer.get("files", [])}  # type: ignore[attr-defined]
    assert {"cases", "config", "mine.py"} <= seen
    assert seen.isdisjoint({".env", "weights.gguf", "reports", ".swapgate"})


@needs_ray
def test_ctrl_c_stores_what_is_done_and_leaves_no_process_behind(tmp_path: Path) -> None:
    lay_own_code(tmp_path, cases=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSWER_S", "0.5")
        patch.setenv(MARK, str(tmp_path))
        process = start_pytest(tmp_path, "--model=mine", "--ray=local", "--concurrency=2", "-q", "-s")
        assert process.stdout is not None
        while process.stdout.read(1) not in {".", ""}:
            pass
        assert len(marked(tmp_path)) > 3
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert "gate not judged: the session was interrupted" in told
    assert 0 < len(newest_run(tmp_path)[1]) < 40
    wait_for(lambda: marked(tmp_path) == [])


@needs_ray
@pytest.mark.usefixtures("address")
def test_scores_on_ray_are_those_of_this_machine_also_when_a_worker_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = HEAD.replace("judges: [meaning]", "")
    lay_own_code(tmp_path)
    lay(tmp_path, {"cases/triage.yml": suite([case(f"c{n}") for n in range(50)], head=head)})
    with (tmp_path / "many.jsonl").open("w") as file:
        for n in range(5_000):
            label = json.dumps({"label": "bug" if n % 7 == 0 else "billing"})
            file.write(json.dumps({"case": f"c{n % 50}", "repeat": n // 50 + 1, "output": label}) + "\n")
    told = []
    for out, more in (("here", ()), ("there", ("--ray", "local"))):
        if more:
            (tmp_path / "check.dies").touch()
        to = ["--root", str(tmp_path), "--out", str(tmp_path / out), "--json", *more]
        assert main(["score", str(tmp_path / "many.jsonl"), *to]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert not (tmp_path / "check.dies").exists()
    assert {**told[1], "folder": ""} == {**told[0], "folder": ""}
    assert told[0]["scopes"][0]["responses"] == 5_000
    for part in sorted((tmp_path / "here/results").iterdir()):
        assert part.read_bytes() == (tmp_path / "there/results" / part.name).read_bytes()


def test_without_the_package_the_way_to_install_it_is_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_own_code(pytester.path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    result = pytester.runpytest_inprocess("--model=mine", "--ray=local")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--ray needs the package ray*pip install 'swapgate[[]ray]'"])
    assert not (pytester.path / ".swapgate" / "history.db").exists()


def test_without_work_for_it_ray_is_not_even_looked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = HEAD.replace('{python: {call: "mine:is_short"}}, ', "")
    lay_own_code(pytester.path)
    lay(
        pytester.path,
        {
            "cases/triage.yml": suite([case("case-0")], head=head),
            "config/models.yml": json.dumps(
                {"models": {"judge": {"provider": "recorded", "path": "outputs/judge.jsonl"}}}
            ),
        },
    )
    result = pytester.runpytest_inprocess("--model=judge", "--ray=local")
    result.stdout.fnmatch_lines(["*warning: --ray runs local models, Python functions and your own checks*"])
    assert "on Ray" not in result.stdout.str()


def test_an_address_that_is_none_and_several_processes_of_pytest_are_refused(
    pytester: pytest.Pytester,
) -> None:
    lay_own_code(pytester.path)
    wrong = pytester.runpytest_inprocess("--model=mine", "--ray=loca")
    assert wrong.ret == 4
    wrong.stderr.fnmatch_lines(
        ["*option 'ray' must be local, auto or the address of a cluster (host:port), got 'loca'"]
    )
    many = pytester.runpytest_inprocess("--model=mine", "--ray=local", "-n2")
    assert many.ret == 4
    many.stderr.fnmatch_lines(["*--ray has worker processes of its own*leave out -n*"])


SHADOWED = """\
import os, signal
from pathlib import Path

HERE = Path(__file__).parent


def candidate(request):
    return f"the answer of {os.getpid()}"


def prefers(request):
    (HERE / "judged.txt").open("a").write(f"{os.getpid()}\\n")
    first = request.messages[-1].content.split("second answer")[0]
    return {"verdict": "first" if "old" in first else "second"}


def similar(texts):
    if any("poison" in text for text in texts):
        os.kill(os.getpid(), signal.SIGKILL)
    return [[1.0, float(os.getpid())]] * len(texts)
"""
CRITERIA = """\
compare: {review: {similarity: "theirs:similar", judge: better, judged: 20}}
"""


def lay_traffic(root: Path, *, count: int, content: bool, poisoned: int | None = None) -> None:
    """Write a workspace whose candidate, judge and embedder are functions, and a log to replay."""
    python = {"provider": "python"}
    models = {"old": {"provider": "openai", "model": "gpt-5.5"}}
    models |= {name: {**python, "model": f"theirs:{call}"} for name, call in (("new", "candidate"),)}
    models |= {"judge-model": {**python, "model": "theirs:prefers"}}
    routes = {"review": {"control": "old", "candidate": "new"}}
    lines = []
    for n in range(count):
        asked = {"model": "gpt-5.5", "messages": [{"role": "user", "content": f"question {n}"}]}
        answer = openai_completion("old poison" if n == poisoned else f"old answer {n}")
        lines.append(json.dumps({"request": asked, "response": answer, "timestamp": 1795000000 + n}))
    lay(
        root,
        {
            "theirs.py": SHADOWED,
            "config/models.yml": json.dumps({"models": models}),
            "config/shadow.yml": json.dumps({"routes": routes, "content": content}),
            "config/promote.yml": CRITERIA,
            "judges/better.yml": "judge: better\nkind: pairwise\nmodel: judge-model\n",
            "log.jsonl": "\n".join(lines) + "\n",
        },
    )


def stored(root: Path) -> list[Stored]:
    with closing(ShadowStore(root / ".swapgate/shadow.db")) as store:
        return list(store.exchanges())


@needs_ray
@pytest.mark.usefixtures("address")
def test_a_replay_asks_and_compares_on_workers_and_loses_none_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_traffic(tmp_path, count=60, content=False, poisoned=3)
    log = ["--from", str(tmp_path / "log.jsonl"), "--format", "openai", "--root", str(tmp_path)]
    assert main(["shadow", "replay", *log, "--ray", "local", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["asked"], told["outcomes"], told["uncompared"]) == (60, {"answered": 60}, 1)
    found = stored(tmp_path)
    assert not any(one.exchange.has_content for one in found)
    # Its words are dropped and it ended two workers: of this one alone there is nothing but numbers.
    without = [one.exchange for one in found if one.comparison is None]
    assert [one.control and one.control.chars for one in without] == [len("old poison")]
    assert len(found) == 60 and all(one.exchange.candidate is not None for one in found)


@needs_ray
@pytest.mark.usefixtures("address")
def test_a_judge_that_is_a_function_works_on_the_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_traffic(tmp_path, count=30, content=True)
    log = ["--from", str(tmp_path / "log.jsonl"), "--format", "openai", "--root", str(tmp_path)]
    assert main(["shadow", "replay", *log]) == 0
    assert all(one.comparison is not None for one in stored(tmp_path))
    capsys.readouterr()
    for judged_now, ray in ((20, ("--ray", "local")), (0, ())):
        assert main(["shadow", "judge", *ray, "--root", str(tmp_path), "--json"]) == 0
        [told] = json.loads(capsys.readouterr().out)["routes"]
        assert (told["drawn"], told["judged_now"], told["worse"]) == (20, judged_now, 20)
    pids = Counter((tmp_path / "judged.txt").read_text().split())
    assert str(os.getpid()) not in pids and pids.total() == 40


INDEXED = """\
import hashlib, os, signal, time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def parted(text):
    return text.split("|")


def summary(request):
    return f"short {request.variables['text']} by {os.getpid()}"


def embed(texts):
    time.sleep(float((HERE / "slow").read_text()))
    if any("deadly" in text for text in texts):
        os.kill(os.getpid(), signal.SIGKILL)
    if any("odd" in text for text in texts):
        raise ValueError("an odd text")
    with open(HERE / "embedded.txt", "a") as log:
        log.write("".join(f"{text} {os.getpid()}\\n" for text in texts))
    if (HERE / "differs").exists():
        return np.random.default_rng(os.getpid()).normal(size=(len(texts), 32))
    rows = [hashlib.blake2b(text.encode(), digest_size=32).digest() for text in texts]
    return np.array([np.frombuffer(row, dtype=np.uint8) for row in rows], dtype=np.float32)
"""
MIGRATION = """\
migration: docs
old: {sqlite: {path: old.db}, embed: {model: wordllama, dimensions: 64}}
new: {sqlite: {path: new.db}, embed: {call: "theirs:embed", dimensions: 32}}
source: {jsonl: docs.jsonl}
chunk: {call: "theirs:parted"}
reindex: {batch: 10, concurrency: 2}
"""


def lay_migration(root: Path, texts: list[str], *, more: str = "", slow_s: float = 0) -> None:
    rows = [json.dumps({"id": f"doc-{n}", "text": text}) for n, text in enumerate(texts)]
    lay(
        root,
        {"theirs.py": INDEXED, "config/index.yml": MIGRATION + more, "docs.jsonl": "\n".join(rows) + "\n"},
    )
    (root / "slow").write_text(str(slow_s))


def embedded(root: Path) -> tuple[Counter[str], set[int]]:
    """Return how often each text of the corpus was embedded, and in which processes."""
    lines = [line.rpartition(" ") for line in (root / "embedded.txt").read_text().splitlines()]
    own = [(text, pid) for text, _, pid in lines if not text.startswith("The same text")]
    return Counter(text for text, _ in own), {int(pid) for _, pid in own}


def held(root: Path) -> dict[str, object]:
    with closing(SqliteIndex("new", root / "new.db")) as index:
        return {one.id: one.payload["text"] for one in index.scan(None, 10_000)[0]}


@needs_ray
@pytest.mark.usefixtures("address")
def test_a_reindexing_on_workers_fills_the_same_index_and_buries_what_ends_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"left {n}|right {n}" for n in range(40)]
    more = 'summarise: {model: brief, prompt: "{{text}}"}\n'
    lay_migration(tmp_path, [*texts, "deadly", "odd"], more=more)
    brief = {"provider": "python", "model": "theirs:summary"}
    lay(tmp_path, {"config/models.yml": json.dumps({"models": {"brief": brief}})})
    command = ["index", "reindex", "--root", str(tmp_path), "--json"]
    assert main([*command, "--ray", "local"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["written"], one["dead"]) for one in told["passes"]] == [(80, 2), (0, 2)]
    assert held(tmp_path) == {
        f"doc-{n}#{i}": half for n in range(40) for i, half in enumerate(texts[n].split("|"))
    }
    counts, pids = embedded(tmp_path)
    assert len(counts) == 80 and set(counts.values()) == {1}
    assert pids and os.getpid() not in pids
    summaries = [text.rpartition(" by ") for text in counts]
    assert {f"short {half}" for half in held(tmp_path).values()} == {text for text, _, _pid in summaries}
    assert str(os.getpid()) not in {pid for _, _, pid in summaries}
    assert main(["index", "dead", "--root", str(tmp_path), "--json"]) == 0
    dead = {one["id"]: one["reason"] for one in json.loads(capsys.readouterr().out)}
    assert dead["doc-41"] == "ValueError: an odd text"
    assert "and so did a second one" in dead["doc-40"]
    # The way is no part of what was made: without Ray the same command finds nothing to do.
    lay_migration(tmp_path, texts, more=more)
    assert main(command) == 0
    assert [one["written"] for one in json.loads(capsys.readouterr().out)["passes"]] == [0, 0]


@needs_ray
def test_a_killed_reindexing_on_a_cluster_goes_on_and_embeds_no_text_again_but_those_in_flight(
    address: str, tmp_path: Path
) -> None:
    lay_migration(tmp_path, [f"text {n}" for n in range(120)], slow_s=0.1)
    command = [sys.executable, "-m", "swapgate", "index", "reindex", "--ray", address]
    # A cluster elsewhere works on a copy of the workspace: what is logged there is to be seen here.
    log = tmp_path / "embedded.txt"
    code = INDEXED.replace('HERE / "embedded.txt"', repr(str(log)))
    spy = f"(Path({str(tmp_path)!r}) / 'files').write_text(' '.join(path.name for path in HERE.iterdir()))"
    (tmp_path / "theirs.py").write_text(f"{code}\n{spy}\n")
    process = subprocess.Popen(command, cwd=tmp_path)
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= 40)
    process.kill()
    process.wait()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert held(tmp_path) == {f"doc-{n}": f"text {n}" for n in range(120)}
    counts, _pids = embedded(tmp_path)
    assert len(counts) == 120 and counts.total() <= 120 + 2 * 10
    sent = set((tmp_path / "files").read_text().split())
    assert sent & {"config", "docs.jsonl", "new.db", "new.db-wal"} == {"config"}


@needs_ray
@pytest.mark.usefixtures("address")
def test_workers_whose_vectors_differ_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_migration(tmp_path, ["one"])
    lay(tmp_path, {"differs": ""})
    assert main(["index", "reindex", "--root", str(tmp_path), "--ray", "local"]) == 4
    assert "theirs:embed gives different vectors of one text on" in capsys.readouterr().err
    assert not (tmp_path / "new.db").exists()


def test_embeddings_of_a_service_are_asked_from_this_process_also_with_ray(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-planted-0123456789abcdef")
    lay_migration(tmp_path, ["one"])
    call = 'embed: {call: "theirs:embed", dimensions: 32}'
    migration = MIGRATION.replace(call, "embed: {model: far, dimensions: 2}").replace(
        'chunk: {call: "theirs:parted"}', ""
    )
    vectors = {"data": [{"index": 0, "embedding": [0.6, 0.8]}], "usage": {"prompt_tokens": 1}}
    with serving(Answer(vectors)) as server:
        far = {
            "provider": "openai-compatible",
            "base_url": f"{server.url}/v1",
            "model": "m",
            "api_key_env": "FAR_KEY",
        }
        lay(
            tmp_path,
            {"config/index.yml": migration, "config/models.yml": json.dumps({"models": {"far": far}})},
        )
        assert main(["index", "reindex", "--root", str(tmp_path), "--ray", "local"]) == 0
        assert len(server.requests) == 1
    assert "embeddings of a service are asked from this process" in capsys.readouterr().err
