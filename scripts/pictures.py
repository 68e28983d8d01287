"""Renew the pictures in docs/images and the sample report: python scripts/pictures.py

The report is that of the demo's swap, replayed from its recordings; the history in the browser is made up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT))

from benchmarks.view import serving
from made_up_history import NEW, made_up_history

IMAGES = ROOT / "docs" / "images"
SAMPLE = ROOT / "reports" / "sample"
SWAP = ("--model=qwen2.5-coder-1.5b", "--baseline=qwen2.5-coder-0.5b", "--replay", "cases/code_review.yml")
CASE = "#filter=blind&case=code_review/bang-bang-on-optional-brand/qwen2.5-coder-1.5b/1"
DESKTOP, NARROW, PHONE = (1280, 1120), (1000, 700), (390, 800)
Scheme = Literal["light", "dark"]


def main() -> None:
    """Write every picture anew."""
    renew_sample()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        of_the_report(browser, (SAMPLE / "report.html").as_uri())
        with tempfile.TemporaryDirectory() as folder:
            of_the_history(browser, Path(folder))
        browser.close()


def renew_sample() -> None:
    """Replay the demo's swap, whose gate says fail, and keep its report."""
    demo = ROOT / "demo"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", *SWAP]
    done = subprocess.run(command, cwd=demo, capture_output=True, text=True, check=False)
    if done.returncode != 1:
        sys.exit(f"the demo ended with {done.returncode}, not with a gate that fails:\n{done.stdout}")
    for name in ("report.html", "report.md"):
        shutil.copyfile(demo / "reports" / "latest" / name, SAMPLE / name)


def of_the_report(browser: Browser, url: str) -> None:
    """Take the report's first screen and an opened case."""
    for name, size, scheme, fragment in (
        ("report-light", DESKTOP, "light", ""),
        ("report-dark", DESKTOP, "dark", ""),
        ("report-phone-light", PHONE, "light", ""),
        ("report-phone-dark", PHONE, "dark", CASE),
        ("report-case-light", (1280, 1000), "light", CASE),
    ):
        with page_of(browser, size, scheme) as page:
            page.goto(url + fragment)
            page.wait_for_selector("html[data-ready]")
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=IMAGES / f"{name}.png")


def of_the_history(browser: Browser, folder: Path) -> None:
    """Take pages of `swapgate view` over thirty nights, of which the last third is worse."""
    runs = made_up_history(folder / ".swapgate" / "history.db", runs=30, cases=120, falls_at=20)
    before, after = (f"{NEW}@{runs[number].id}" for number in (10, 28))
    with serving(folder) as url:
        for name, size, scheme, path in (
            ("view-trends", NARROW, "light", "trends?suite=triage"),
            ("view-compare-dark", NARROW, "dark", f"compare?baseline={before}&candidate={after}"),
            ("view-phone-light", PHONE, "light", "case?suite=triage&case=case-0007"),
            ("view-phone-dark", PHONE, "dark", "cases?suite=triage"),
        ):
            with page_of(browser, size, scheme) as page:
                page.goto(url + path)
                page.screenshot(path=IMAGES / f"{name}.png")


@contextmanager
def page_of(browser: Browser, size: tuple[int, int], scheme: Scheme) -> Iterator[Page]:
    """Open a window of a size, in light or dark."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    yield context.new_page()
    context.close()


if __name__ == "__main__":
    main()
