"""What report.html weighs, how long it takes to write, and how soon a browser shows and searches it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.made_trials import MODELS, made_trials
from benchmarks.table import Row, run
from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.memory.history import HISTORY_FILE, History, HistoryWriter, StoredTrials
from swapgate.records import ModelIdentity, Run
from swapgate.reporting.html.page import HtmlReporter

MANY = 10_000
SETTLED = """() => {
  const found = document.getElementById("found").textContent;
  return found.includes(" of ") && !found.startsWith("looked");
}"""


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield sizes and seconds for 1,000 cases of two models, and for 10,000, which are 20,000 trials."""
    with tempfile.TemporaryDirectory() as folder:
        for cases, megabytes, seconds in ((1_000, 3, 2), (MANY, 30, 15))[: 1 if quick else 2]:
            outcome = stored(Path(folder) / str(cases), cases)
            # The processor's seconds: what else the machine does is not counted.
            started = time.process_time()
            path = HtmlReporter().write(outcome, Path(folder))
            took = time.process_time() - started
            label = f"{cases:,} cases of two models"
            yield Row(
                goal=f"report.html of {label}, MB", value=path.stat().st_size / 1e6, limit=f"<= {megabytes}"
            )
            yield Row(goal=f"writing that of {label}, CPU seconds", value=took, limit=f"<= {seconds}")
            yield from browsed(path, label)


def browsed(path: Path, label: str) -> Iterator[Row]:
    """Yield how long a browser takes to show the page and its cases, to filter them, and to search them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        ready = float(page.get_attribute("html", "data-ready") or "nan")
        yield Row(goal=f"first paint of {label}, ms", value=painted, limit="<= 2000")
        yield Row(goal=f"first cases of {label}, ms", value=ready, limit="<= 4000")
        took = timed(page, lambda: page.select_option("#by-filter", "blind"))
        yield Row(goal=f"filtering {label} by outcome, ms", value=took, limit="<= 1000")
        took = timed(page, lambda: page.fill("#by-text", "nowhere to be found"))
        yield Row(
            goal=f"the first search among the blind passes of {label}, ms", value=took, limit="<= 10000"
        )
        page.select_option("#by-filter", "all")
        took = timed(page, lambda: page.fill("#by-text", "subprocess"))
        yield Row(goal=f"searching all texts of {label}, ms", value=took, limit="<= 10000")
        took = timed(page, lambda: page.fill("#by-text", "import"))
        yield Row(goal=f"searching {label} once more, ms", value=took, limit="<= 2000")
        browser.close()


def timed(page: Page, act: Callable[[], object]) -> float:
    """Return the milliseconds from an act until the list says what it found."""
    page.evaluate("document.getElementById('found').textContent = ''")
    started = time.perf_counter()
    act()
    page.wait_for_function(SETTLED)
    return 1000 * (time.perf_counter() - started)


def stored(folder: Path, cases: int) -> RunOutcome:
    """Store a run of two models, and return what it says; its trials stay where they are stored."""
    path = folder / ".swapgate" / HISTORY_FILE
    names = [ModelIdentity(name=name, provider="openai", model=name) for name in MODELS]
    manifest = Run(
        id=f"run-{cases}", started_at="2026-01-01T00:00:00.000+00:00", models=tuple(names),
        baseline="model-old", suites=("review", "triage"), planned=2 * cases,
    )  # fmt: skip
    writer = HistoryWriter(path, manifest)
    for one in made_trials(cases):
        writer.add(one)
    done = replace(manifest, is_complete=True, finished_at="2026-01-01T01:00:00.000+00:00")
    writer.finish(done)
    history = History(path)
    facts = history.facts(done.id)
    history.close()
    return conclude(done, StoredTrials(path, done.id), facts=facts)


if __name__ == "__main__":
    run(measure, description=__doc__)
