"""`swapgate index ramp` on real stores: what goes wrong in a stage, two at once, a kill at the change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swapgate.cli import main
from swapgate.retrieval import Phase, StateStore, open_router
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.interleaving.preference import PREFERENCE
from swapgate.retrieval.metrics import Counters
from swapgate.retrieval.opening import IndexWorkspace, read_index_workspace
from swapgate.retrieval.phases import Migration
from swapgate.retrieval.ramping import RAMP, Ramper
from swapgate.retrieval.ramping.clock import Moment
from swapgate.retrieval.records import CONTENTS, Reader
from swapgate.spec.settings import resolve_settings

# Texts that share words are alike, at either width; EXTRA makes the vectors wider than is written.
CODE = """
import os
import numpy as np
from retrieval_here import toy_vector

def narrow(texts):
    return np.stack([toy_vector(text, "narrow", 16) for text in texts])

def wide(texts):
    return np.stack([toy_vector(text, "wide", 24 + int(os.environ.get("EXTRA", "0"))) for text in texts])
"""
CONFIG = """
migration: docs
old:
  sqlite: {path: old.db}
  embed: {call: "ramptoys:narrow", dimensions: 16}
new:
  sqlite: {path: new.db}
  embed: {call: "ramptoys:wide", dimensions: 24}
source: {jsonl: docs.jsonl}
verify: {queries: queries.jsonl, qrels: qrels.tsv, metrics: {nDCG@10: 0.2}, min_queries: 30}
ramp: {hours: 0, queries: 50, failures: 0.05, latency: null}
"""
WORDS = ("red", "blue", "green", "old", "new", "fast", "slow")
THINGS = ("car", "boat", "house", "tree", "road", "bird")
TEXTS = {f"{word}-{thing}": f"{word} {thing} {word}{thing}" for word in WORDS for thing in THINGS}


class Place:
    """A workspace whose migration is at a canary of 5%, both indexes filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "config").mkdir()
        self.write(CONFIG)
        (root / "ramptoys.py").write_text(CODE)
        rows = [{"id": one, "text": text} for one, text in TEXTS.items()]
        for name in ("docs.jsonl", "queries.jsonl"):
            (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        (root / "qrels.tsv").write_text("".join(f"{one}\t{one}\t1\n" for one in TEXTS))
        self.store = StateStore(root / ".swapgate" / "indexes.db")
        self.fill()

    def write(self, config: str) -> None:
        (self.root / "config" / "index.yml").write_text(config)

    @property
    def workspace(self) -> IndexWorkspace:
        return read_index_workspace(resolve_settings(self.root, {}, {}), None)

    def fill(self) -> None:
        workspace = self.workspace
        from swapgate.retrieval.embedding.local import open_local

        for side in ("old", "new"):
            with closing(workspace.index(side)) as index:  # type: ignore[arg-type]
                index.create(workspace.fingerprint(side))  # type: ignore[arg-type]
                embedder = open_local(workspace.entry(side).embed, root=self.root, chunker="")  # type: ignore[arg-type]
                vectors = embedder.embed(list(TEXTS.values()), is_query=False)
                index.upsert(list(TEXTS), vectors, [{"text": text} for text in TEXTS.values()])

    def to(self, *phases: str, share: float = 0.05) -> Migration:
        now = self.store.create(
            "docs", old=self.workspace.fingerprint("old"), new=self.workspace.fingerprint("new"),
            who="ann", why="begun",
        )  # fmt: skip
        now = self.store.get(now.name)
        for phase in phases:
            given = share if phase == "canary" else None
            now = self.store.change(now, Phase(phase), share=given, who="ann", why="on")
            if phase == "backfill":
                self.store.add_evidence("docs", CONTENTS, version=now.version, passed=True, record={})
        return now

    def served(self, *, missed: int = 0, n: int = 300) -> None:
        """Store what routers have counted at the present version."""
        counters, now = Counters(), self.store.get("docs")
        version = now.version
        if now.phase is Phase.SHADOW_READ:
            for _ in range(n):
                counters.shadowed("shadow_answered", version=version, has_answer=True)
        for _ in range(n):
            counters.served("old", 0.01, version=version)
        for number in range(0 if now.phase is Phase.SHADOW_READ else n):
            if number < missed:
                counters.missed("new", version=version)
            else:
                counters.served("new", 0.01, version=version)
        self.store.beat("docs", Reader(reader="r", version=version, beat=1, metrics=counters.as_json()))

    def start(self, code: str) -> subprocess.Popen[str]:
        paths = [str(Path(__file__).parents[1] / "evals"), str(Path(__file__).parent)]
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip


WAY = ("dual_write", "backfill", "verify", "shadow_read", "canary")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path)
    place.to(*WAY)
    place.served()
    yield place
    place.store.close()
    sys.modules.pop("ramptoys", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


def ramp(*arguments: str) -> int:
    return main(["index", "ramp", *arguments])


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = ramp("--json", *arguments)
    return code, json.loads(capsys.readouterr().out)


def test_a_stage_that_holds_goes_on_and_says_by_what(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ramp("--dry-run") == 10
    assert "it was not verified at 5%" in capsys.readouterr().out
    assert place.store.evidence("docs", RAMP) == [] and place.store.get("docs").version == 6
    assert ramp("--who", "ann") == 0
    said = capsys.readouterr().out
    assert said.startswith("docs: ADVANCED: canary 5% -> canary 25% (version 7)\n")
    last = place.store.changes("docs")[-1]
    assert (last.share, last.who) == (0.25, "ann") and "nDCG@10" in last.why
    assert ramp("--dry-run") == 10
    code, found = told(capsys)
    assert code == 10 and found["decision"] == "wait" and found["served"] == {"old": 0, "new": 0}
    for expected in (Phase.CANARY, Phase.PROMOTED):
        place.served()
        assert ramp() == 0
        assert place.store.get("docs").phase is expected
    place.served()
    code, found = told(capsys)
    assert (code, found["decision"]) == (0, "done")


def test_an_index_that_nobody_reaches_takes_two_looks(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.root / "new.db").write_bytes(b"no database " * 1000)
    for path in place.root.glob("new.db-*"):
        path.unlink()
    code, found = told(capsys)
    assert (code, found["decision"]) == (10, "wait")
    assert "from here: routers reach it" in str(found["in_the_way"])
    code, found = told(capsys)  # nobody was answered since
    assert (code, found["decision"]) == (1, "bad") and place.store.get("docs").share == 0.05
    assert ramp() == 14
    said = capsys.readouterr().out
    assert (
        "docs: ROLLED BACK: canary 5% -> rolled_back (version 7)" in said and "2 bad looks in a row" in said
    )
    last = place.store.changes("docs")[-1]
    assert last.phase is Phase.ROLLED_BACK and "new.db" in last.why
    code, found = told(capsys)
    assert code == 10 and "it was rolled back by ramp by" in str(found["reasons"])


def test_the_old_index_being_down_is_no_reason_to_go_back_to_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.root / "old.db").write_bytes(b"no database " * 1000)
    for path in place.root.glob("old.db-*"):
        path.unlink()
    for _ in range(3):
        code, found = told(capsys)
        assert (code, found["decision"]) == (10, "wait") and "old.db" in str(found["reasons"])
    assert place.store.get("docs").phase is Phase.CANARY


def test_an_index_of_another_embedding_is_taken_back_at_once(place: Place) -> None:
    with closing(place.workspace.index("new")) as index:
        index.put_stamp(replace(place.workspace.fingerprint("new"), model="another"))
    assert ramp() == 14
    assert "made with another embedding" in place.store.changes("docs")[-1].why


def test_what_users_choose_less_is_taken_back(place: Place) -> None:
    record = {"verdict": "failed", "reason": "it won 0.31 of 400 lists"}
    for version in (5, 6):
        place.store.add_evidence("docs", PREFERENCE, version=version, passed=False, record=record)
    assert ramp() == 14
    assert "users choose its results less: it won 0.31 of 400 lists" in place.store.changes("docs")[-1].why


def test_vectors_without_numbers_are_taken_back(place: Place) -> None:
    with closing(SqliteIndex("new", place.root / "new.db")) as index:
        rows = np.full((len(TEXTS), 24), np.nan, dtype=np.float32)
        index.upsert(list(TEXTS), rows, [{"text": text} for text in TEXTS.values()])
    codes = [ramp(), ramp()]
    assert 14 in codes and place.store.get("docs").phase is Phase.ROLLED_BACK


def test_an_embedding_of_another_width_is_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRA", "1")
    codes = [ramp(), ramp()]
    assert 14 in codes and place.store.get("docs").phase is Phase.ROLLED_BACK
    assert "24" in place.store.changes("docs")[-1].why


def test_failures_of_live_queries_take_two_looks_and_those_that_are_over_none(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.served(missed=60)
    code, found = told(capsys)
    assert (code, found["decision"]) == (1, "bad") and "20.0% of 300" in str(found["reasons"])
    place.served(missed=60, n=320)
    code, found = told(capsys)
    assert (code, found["decision"]) == (10, "wait") and "none lately" in str(found["reasons"])
    place.served(missed=90, n=400)
    assert ramp() == 1
    place.served(missed=120, n=500)
    assert ramp() == 14


def test_with_manual_rollback_the_gate_only_tells(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.write(CONFIG.replace("hours: 0", "hours: 0, rollback: manual"))
    with closing(place.workspace.index("new")) as index:
        index.put_stamp(replace(place.workspace.fingerprint("new"), model="another"))
    assert ramp() == 1
    assert "docs: HELD: canary 5%" in capsys.readouterr().out
    assert place.store.get("docs").share == 0.05


def test_after_a_rollback_there_is_a_pause_that_doubles(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for hours in (24, 48):
        now = place.store.get("docs")
        place.store.change(now, Phase.ROLLED_BACK, who="ann", why="worse")
        place.to("backfill", "verify", "shadow_read")
        place.served()
        code, found = told(capsys)
        assert code == 10
        assert f"{hours} hours are left between two tries" in str(found["in_the_way"])
    place.write(CONFIG.replace("hours: 0", "hours: 0, pause_hours: 0"))
    assert ramp() == 0


def test_mistakes_are_told_with_a_remedy(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*arguments: str) -> str:
        capsys.readouterr()
        assert ramp(*arguments) == 4
        return capsys.readouterr().err

    assert "--watch would never end: give one of them" in error("--watch", "--dry-run")
    (place.root / "qrels.tsv").unlink()
    assert "qrels.tsv: there is no such file" in error()
    assert place.store.get("docs").phase is Phase.CANARY
    place.write(CONFIG.replace("dimensions: 24", "dimensions: 25"))
    assert "dimensions 24, not 25. Put it back, or write another name under `migration`" in error()
    nowhere = "pgvector: {table: t, url_env: NOT_SET}"
    place.write(CONFIG.replace("sqlite: {path: new.db}", nowhere))
    assert "the environment variable NOT_SET is not set" in error()
    assert place.store.get("docs").phase is Phase.CANARY
    place.write(CONFIG.replace("hours: 0", "stages: [0.5, 0.1]"))
    assert "config/index.yml:11: " in (found := error()) and "must rise to 1" in found
    place.write(CONFIG.replace("migration: docs", "migration: other"))
    assert "no migration 'other'" in error()
    with StateStore(place.root / ".swapgate" / "indexes.db").database.begin():
        pass
    place.store.create(
        "other", old=place.workspace.fingerprint("old"), new=place.workspace.fingerprint("new"),
        who="x", why="y",
    )  # fmt: skip
    assert "the ramp begins at shadow_read, and the migration 'other' is at plan" in error()


def ramper(place: Place, **given: object) -> Ramper:
    workspace = place.workspace
    made = {"index": workspace.index, "who": "test", **given}
    return Ramper(workspace, place.store, **made)  # type: ignore[arg-type]


def test_of_rampers_at_the_same_moment_one_changes_and_nobody_skips_a_stage(place: Place) -> None:
    ramper(place).step()  # verified, and at 25%
    place.served()
    barrier, words = threading.Barrier(6), []

    def step() -> None:
        mine = ramper(place)
        barrier.wait()
        words.append(mine.step().decision.word)

    threads = [threading.Thread(target=step) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert words.count("advance") == 1 and len(words) == 6
    now = place.store.get("docs")
    assert (now.share, now.version) == (0.5, 8)


def test_what_is_bad_is_taken_back_though_another_ramper_went_on(place: Place) -> None:
    workspace = place.workspace
    with closing(workspace.index("new")) as index:
        index.put_stamp(replace(workspace.fingerprint("new"), model="another"))

    def quicker(side: str) -> object:
        now = place.store.get("docs")
        if side == "old" and now.share == 0.05:
            place.store.change(now, Phase.CANARY, share=0.25, who="quick", why="on")
        return workspace.index(side)  # type: ignore[arg-type]

    step = ramper(place, index=quicker, verifies=False).step()
    assert (step.decision.word, step.after.phase) == ("rollback", Phase.ROLLED_BACK)


# Two rampers that die at their change: one before it, and one right behind it.
KILLED = """
import os, signal
from swapgate.cli import main
from swapgate.retrieval.state import StateStore
change = StateStore.change

def dies(is_after):
    def changed(self, *given, **named):
        if is_after:
            change(self, *given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return changed

for is_after in (False, True):
    child = os.fork()
    if not child:
        StateStore.change = dies(is_after)
        main(["index", "ramp"])
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def test_a_ramper_that_is_killed_at_its_change_leaves_what_the_next_goes_on_from(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = place.start(KILLED).communicate(timeout=120)
    assert out.split() == ["-9", "-9"], err
    assert [one.version for one in place.store.evidence("docs", RAMP)] == [6, 6], "looks come before changes"
    assert len(place.store.changes("docs")) == 7, "the second ramper did what the first had decided, once"
    code, found = told(capsys)
    assert code == 10 and found["to"] == {"phase": "canary", "share": 0.25, "version": 7}
    assert float(str(found["age_h"])) < 0.1


@pytest.mark.parametrize("jump_h", [30, -30])
def test_a_clock_that_jumps_neither_shortens_a_stage_nor_lengthens_it(place: Place, jump_h: int) -> None:
    place.write(CONFIG.replace("hours: 0", "hours: 2"))
    now = place.store.get("docs")
    begun = now.changed_at

    def at(hours: float, jumped: float = 0) -> Callable[[], Moment]:
        from datetime import datetime, timedelta

        wall = datetime.fromisoformat(begun) + timedelta(hours=hours + jumped)
        return lambda: Moment(wall=wall.isoformat(timespec="milliseconds"), boot="b", steady_s=hours * 3600)

    def word(clock: Callable[[], Moment]) -> str:
        return ramper(place, clock=clock).step().decision.word

    assert word(at(0.1)) == "wait"
    assert word(at(1, jump_h)) == "wait", "one hour, whatever the wall says"
    assert word(at(2.2, jump_h)) == "advance"


def test_a_ramp_is_watched_until_everybody_has_the_new_index(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[int] = []
    watching = threading.Thread(target=lambda: done.append(ramp("--watch", "--every", "0.1")))
    with open_router(refresh_s=0.05) as router:
        watching.start()
        number = 0
        while watching.is_alive() and number < 60_000:
            router.search("red car", 1, key=f"user-{number}")
            number += 1
    watching.join(timeout=30)
    assert done == [0]
    said = capsys.readouterr().out
    assert [line.split(":")[1] for line in said.splitlines() if line.startswith("docs: ADV")] == [
        " ADVANCED"
    ] * 3
    assert "docs: DONE: promoted" in said
    assert place.store.get("docs").phase is Phase.PROMOTED


def test_the_state_is_told_with_its_stages_and_as_a_page(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ramp() == 0
    capsys.readouterr()
    assert main(["index", "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["phase"], one["share"], one["answered"]) for one in found["stages"]] == [
        ("shadow_read", 0.0, 0), ("canary", 0.05, 300), ("canary", 0.25, 0),
    ]  # fmt: skip
    assert found["stages"][1]["verdict"] == "passed" and found["stages"][1]["last"]["word"] == "advance"
    assert found["verification"]["verdict"] == "passed"
    assert main(["index", "status", "--html", "pages/status.html"]) == 0
    said = capsys.readouterr().out
    assert "written: pages/status.html" in said and "canary 25%" in said
    page = (place.root / "pages" / "status.html").read_text()
    assert "<script" not in page and "docs: python:ramptoys:wide serves 25.0% of the keys" in page
    assert "; times are UTC</p>" in page and "+00:00" not in page
