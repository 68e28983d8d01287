"""The live line: what it says, and that it never touches pytest's own output."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swapgate.driving.progress import HeldWords
from swapgate.engine.batch import BatchProgress
from swapgate.engine.runner import Progress
from swapgate.reporting.terminal.progress import Speed, batch_text, progress_text
from terminals import Terminals, open_terminals
from workspaces import BLIND, case, lay, recorded_workspace, suite

ARGUMENTS = ["--model=slow", "--concurrency=2", "--report=none", "-pno:cacheprovider"]

MODELS = "models: {slow: {provider: python, model: 'app:answer', price: {input: 0, output: 0}}}\n"
SLOW = "import time\ndef answer(message):\n    time.sleep({})\n    return 'fine'\n"


def lay_slow(root: Path, cases: int, *, seconds: float = 0.4) -> None:
    head = "suite: slow\nprompt: {user: '{{ message }}'}\n"
    gate = {"structural": {"min": 0.5, "on": "point"}}
    lay(
        root,
        {
            "cases/slow.yml": suite([case(f"case-{n}") for n in range(cases)], head=head, gate=gate),
            "app.py": SLOW.format(seconds),
            "config/models.yml": MODELS,
        },
    )


@pytest.fixture(scope="module")
def terminals() -> Iterator[Terminals]:
    with open_terminals(dict(os.environ)) as opened:
        yield opened


@pytest.fixture
def run_in_terminal(terminals: Terminals, tmp_path: Path) -> Callable[..., str]:
    """Run the slow suite with options in a pseudo-terminal, and return all that was written."""

    def run(*options: str, **settings: Any) -> str:
        code, written = terminals.run(tmp_path, [*ARGUMENTS, *options], **settings)
        assert code == 0, written
        return written

    return run


DRAWN = re.compile(r"\x1b7(.*?)\x1b8", re.DOTALL)


def without_line(written: str) -> str:
    """Return what a terminal shows once the live line is gone: its drawings start and end at the cursor."""
    return re.sub(r"\x1b\[[0-9;]*m", "", DRAWN.sub("", written))


def settled(written: str) -> list[str]:
    """Return the lines as they stand at the end, without times that differ from one run to the next.

    On a terminal pytest writes how many items there are over "collecting".
    """
    text = re.sub(r"\d+\.\d+s|\d+\.\d+/\d+\.\d+ s", "_", without_line(written))
    lines = [line.rpartition("\r")[2].rstrip("= ") for line in text.split("\n")]
    return [line.removeprefix("collecting ... ") for line in lines]


def test_terminal_shows_progress_that_leaves_pytests_line_whole(
    tmp_path: Path, run_in_terminal: Callable[..., str]
) -> None:
    lay_slow(tmp_path, 6)
    written = run_in_terminal("--max-cost=5")
    drawn = DRAWN.findall(written)
    assert any(re.search(r"/6 \| 0:0\d left \| \S+ of \$5\.00 \|", line) for line in drawn), drawn
    assert re.search(r"cases/slow\.yml \.{6} +\[100%\]", without_line(written))


def test_workers_progress_is_shown_by_their_controller(
    tmp_path: Path, run_in_terminal: Callable[..., str]
) -> None:
    lay_slow(tmp_path, 6)
    written = run_in_terminal("-n2", "-pxdist", columns=90)
    drawn = [line for line in DRAWN.findall(written) if "/6" in line]
    assert any(re.search(r"[2-5]/6 \| 0:\d\d left \| .*/s", line) for line in drawn), drawn
    assert re.search(r"\n\.{6} +\[100%\]", without_line(written))


OPTIONS: list[list[str]] = [
    [], ["-v"], ["-vv"], ["-q"], ["-qq"], ["-s"], ["--no-header"], ["--tb=line"], ["--color=no"],
    ["-s", "-v"], ["-x"], ["-rA"],
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_terminal_ends_up_with_what_a_file_would_hold(
    tmp_path: Path, run_in_terminal: Callable[..., str], options: list[str]
) -> None:
    lay_slow(tmp_path, 2, seconds=0.25)
    written = run_in_terminal(*options, "--live")
    plain = run_in_terminal(*options, "--live", terminal=False)
    assert "\x1b" not in plain
    assert settled(written) == settled(plain)


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"NO_COLOR": "1"}, []),
        ({"TERM": "dumb"}, []),
        ({"CI": "true"}, []),
        ({}, ["--color=no"]),
        ({}, ["-qq"]),
    ],
    ids=str,
)
def test_nothing_is_drawn_for_those_who_want_it_plain(
    tmp_path: Path, run_in_terminal: Callable[..., str], variables: dict[str, str], options: list[str]
) -> None:
    lay_slow(tmp_path, 2)
    assert not DRAWN.findall(run_in_terminal(*options, **variables))


def test_nothing_is_drawn_where_output_is_no_terminal(
    tmp_path: Path, run_in_terminal: Callable[..., str]
) -> None:
    lay_slow(tmp_path, 2)
    written = run_in_terminal(terminal=False)
    assert "2 passed" in written
    assert "\x1b" not in written


@pytest.mark.parametrize("columns", [24, 40, 60])
def test_a_narrow_terminal_never_wraps_the_line(
    tmp_path: Path, run_in_terminal: Callable[..., str], columns: int
) -> None:
    lay_slow(tmp_path, 3)
    written = run_in_terminal(columns=columns)
    drawn = re.findall(r"([^\n]*?)\x1b7(.*?)\x1b8", written, re.DOTALL)
    for before, line in drawn:
        beside = without_line(before).rpartition("\r")[2]
        shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", line)
        assert len(beside) + len(shown) <= columns


def test_a_wide_terminal_has_room_for_all_of_it(tmp_path: Path, run_in_terminal: Callable[..., str]) -> None:
    lay_slow(tmp_path, 2, seconds=1.2)
    (tmp_path / "cases" / "slow.yml").rename(tmp_path / "cases" / f"{'x' * 75}.yml")
    drawn = DRAWN.findall(run_in_terminal(columns=160))
    assert any(line.endswith("2 in flight\x1b[22m") for line in drawn), drawn


SUGAR = """\
import pytest
class Reporter(pytest.TerminalReporter):
    pass
@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    own = config.pluginmanager.get_plugin("terminalreporter")
    config.pluginmanager.unregister(own)
    config.pluginmanager.register(Reporter(config), "terminalreporter")
"""


def test_nothing_is_drawn_into_what_another_reporter_draws(
    tmp_path: Path, run_in_terminal: Callable[..., str]
) -> None:
    lay_slow(tmp_path, 2)
    (tmp_path / "conftest.py").write_text(SUGAR)
    assert not DRAWN.findall(run_in_terminal())


def test_a_run_without_pytests_terminal_works(tmp_path: Path, run_in_terminal: Callable[..., str]) -> None:
    lay_slow(tmp_path, 2)
    assert run_in_terminal("-pno:terminal") == ""


def test_v_gives_each_miss_two_lines_and_vv_all_of_it(pytester: pytest.Pytester) -> None:
    names = [f"case-{n}" for n in range(5)]
    recorded_workspace(pytester.path, {"new": dict.fromkeys(names, BLIND)})
    shown = {}
    for verbosity in ("-q", "-p", "-v", "-vv"):
        options = ["no:cacheprovider"] if verbosity == "-p" else []
        shown[verbosity] = pytester.runpytest("--model=new", "--report=none", verbosity, *options).outlines
    heads = {k: sum("blind pass: structurally" in line for line in lines) for k, lines in shown.items()}
    answers = {k: sum("answered: " in line for line in lines) for k, lines in shown.items()}
    assert heads == {"-q": 0, "-p": 3, "-v": 5, "-vv": 5}
    assert answers == {"-q": 0, "-p": 3, "-v": 3, "-vv": 5}
    assert [(k, line) for k, lines in shown.items() for line in lines if "more" in line] == [
        ("-p", "and 2 more: -v gives the reason of each")
    ]
    last = next(n for n, line in enumerate(shown["-v"]) if "::case-4 by new" in line)
    assert shown["-v"][last + 1] == "  expected: /label is 'bug', expected 'billing'."


@pytest.mark.parametrize("options", [[], ["-v"]], ids=str)
def test_an_empty_line_stands_between_the_misses_and_the_rates(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    recorded_workspace(pytester.path, {"new": {"one": BLIND}})
    lines = pytester.runpytest("--model=new", "--report=none", *options).outlines
    (answer,) = (n for n, line in enumerate(lines) if line.startswith("  answered: "))
    assert (lines[answer + 1], lines[answer + 2].split()[0]) == ("", "structural")


def test_qq_says_the_gates_answer_and_nothing_else_of_the_summary(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": BLIND}}, gate="every-case")
    result = pytester.runpytest("--model=new", "--report=none", "-qq")
    assert [line for line in result.outlines if line][1:] == [
        "gate: FAIL  every case on triage must pass for new: of 1 trial 1 missed"
    ]


def test_text_names_what_is_done_left_spent_and_running() -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=0.0042)
    assert progress_text(progress, speed=3.0) == "12/60 | 0:16 left | $0.0042 | 3.0/s | 16 in flight"


def test_text_names_errors_and_what_the_budget_is() -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=1.5, errored=2)
    text = progress_text(progress, speed=0.1, max_cost=5)
    assert text == "12/60 | 2 errors | 8:00 left | $1.50 of $5.00 | 0.1/s | 16 in flight"


@pytest.mark.parametrize("room", range(1, 80))
def test_text_keeps_whole_what_fits_and_what_matters_most(room: int) -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=1.5, errored=2)
    whole = progress_text(progress, speed=0.1, max_cost=5)
    text = progress_text(progress, speed=0.1, max_cost=5, room=room)
    assert len(text) <= room
    assert whole.startswith(text)
    assert room < 5 or text.split(" | ") == whole.split(" | ")[: text.count(" | ") + 1]


def test_speed_forgets_what_the_cache_gave_at_once() -> None:
    speed = Speed(0.0)
    assert speed.at(1.0, 500) == 500
    for second in range(2, 60):
        now = speed.at(float(second), 500 + second)
    assert 1.0 <= now < 1.1


def test_speed_of_nothing_is_nothing() -> None:
    assert Speed(5.0).at(5.0, 3) == 0.0


def test_text_says_first_how_far_the_batches_are() -> None:
    batch = BatchProgress(requests=847, done=312, services=("openai",), age_s=42.4)
    progress = Progress(planned=900, finished=53, in_flight=0, calls=53, cost_usd=0.1, batch=batch)
    assert progress_text(progress, speed=0) == (
        "batch: 847 requests at openai, 312 done, submitted 0:42 ago | 53/900 | $0.10 | 0 in flight"
    )
    assert batch_text(replace(batch, requests=1, age_s=3 * 3600 + 65)).endswith("submitted 3:01:05 ago")
    assert batch_text(replace(batch, unsent=12)).endswith("submitted 0:42 ago, 12 not taken yet")
    none = replace(batch, requests=0, unsent=1_200)
    assert batch_text(none) == "batch: 1,200 requests not taken by openai yet, asking again"


def test_what_a_service_says_while_its_words_are_told_is_told_the_next_time() -> None:
    class Growing(list[str]):
        """What the engine's thread adds to at the worst moment."""

        def __getitem__(self, place: Any) -> Any:
            found = super().__getitem__(place)
            if len(self) == 1:
                self.append("second")
            return found

    class Reporter:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def write_line(self, line: str) -> None:
            self.lines.append(line)

        def flush(self) -> None:
            pass

    reporter = Reporter()
    plugins = SimpleNamespace(get_plugin={"terminalreporter": reporter}.get)
    config: Any = SimpleNamespace(get_verbosity=lambda: 0, pluginmanager=plugins)
    line: Any = SimpleNamespace(clear=lambda: None)
    words, held = HeldWords(config, line), Growing(["first"])
    words.tell(held)
    words.tell(held)
    assert reporter.lines == ["swapgate: batch: first", "swapgate: batch: second"]
