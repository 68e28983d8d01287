"""The pages served over HTTP until they are told to stop: every page is made in a thread, from a read."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from swapgate.errors import StoreError, SwapgateError, UsageError
from swapgate.listening import not_listening
from swapgate.reporting.files import whole
from swapgate.spec.problems import short
from swapgate.values import Value
from swapgate.viewing.archive import Archive
from swapgate.viewing.asked import Asked
from swapgate.viewing.case_page import TERMS as CASE_TERMS
from swapgate.viewing.case_page import case_page
from swapgate.viewing.cases_page import TERMS as CASES_TERMS
from swapgate.viewing.cases_page import cases_page
from swapgate.viewing.compare_page import TERMS as COMPARE_TERMS
from swapgate.viewing.compare_page import compare_page
from swapgate.viewing.guard import HEADERS, PAGE_POLICY, REPORT_POLICY, Guard
from swapgate.viewing.problems import Refused
from swapgate.viewing.render import render, style
from swapgate.viewing.run_page import TERMS as RUN_TERMS
from swapgate.viewing.run_page import run_page
from swapgate.viewing.runs_page import TERMS as RUNS_TERMS
from swapgate.viewing.runs_page import runs_page
from swapgate.viewing.trends_page import TERMS as TRENDS_TERMS
from swapgate.viewing.trends_page import trends_page

if TYPE_CHECKING:
    from aiohttp.web import Application, Request, Response, StreamResponse

# Seconds that a page on its way may take once the server is told to stop.
_PATIENCE_S = 2.0
_TITLES = {400: "This address is not understood", 401: "Not let in", 403: "Not let in", 404: "Not found"}
_Page = Callable[[Archive, Asked], str]
PAGES: Mapping[str, tuple[_Page, tuple[str, ...]]] = {
    "/": (runs_page, RUNS_TERMS),
    "/trends": (trends_page, TRENDS_TERMS),
    "/compare": (compare_page, COMPARE_TERMS),
    "/cases": (cases_page, CASES_TERMS),
    "/case": (case_page, CASE_TERMS),
}


class Listening(Value):
    """Where the pages are served."""

    host: str
    port: int
    token: str | None

    @property
    def address(self) -> str:
        """The address to be opened, with the token where one is asked for."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)  # noqa: S104 - shown only
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


async def serve(
    archive: Archive,
    *,
    host: str,
    port: int,
    hosts: frozenset[str],
    token: str | None,
    ready: Callable[[Listening], None],
) -> None:
    """Serve the pages until SIGINT or SIGTERM; `ready` is told where. UsageError for a port in use."""
    from aiohttp import web

    guard = Guard(hosts=hosts, token=token)
    runner = web.AppRunner(
        application(archive, guard),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_PATIENCE_S,
        logger=_log_of_bugs(),
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        with _told(host, port):
            await site.start()
        # Before anybody is told where to look, and may end it.
        stopped = _stop_signal()
        ready(Listening(host=host, port=runner.addresses[0][1], token=token))
        await stopped.wait()
    finally:
        await runner.cleanup()


def application(archive: Archive, guard: Guard) -> Application:
    """Return the pages as an application of aiohttp's."""
    from aiohttp import web

    @web.middleware
    async def guarded(
        request: Request, handler: Callable[[Request], Awaitable[StreamResponse]]
    ) -> StreamResponse:
        return await _answered(guard, request, handler)

    app = web.Application(middlewares=[guarded])
    for path, (page, terms) in PAGES.items():
        app.router.add_get(path, _handler(archive, page, terms))
    app.router.add_get("/runs/{run}", _run_handler(archive))
    app.router.add_get("/runs/{run}/report.html", _report_handler(archive))
    app.router.add_get("/style.css", _style)
    return app


async def _answered(
    guard: Guard, request: Request, handler: Callable[[Request], Awaitable[StreamResponse]]
) -> StreamResponse:
    """Return an answer with its headers, a page that says why where there is none."""
    from aiohttp import web

    answer: StreamResponse
    try:
        answer = await guard(request, handler)
    except web.HTTPRedirection as exc:
        answer = exc
    except web.HTTPException as exc:
        answer = _problem(exc.status, "There is no such page")
    except Refused as exc:
        answer = _problem(exc.status, str(exc))
    except SwapgateError as exc:
        answer = _problem(503 if isinstance(exc, StoreError) else 400, str(exc))
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    return answer


def _log_of_bugs() -> logging.Logger:
    """Return a log that takes what is a bug of ours, and not that somebody sent what is no request."""
    log = logging.getLogger("swapgate.view")
    log.addFilter(_is_bug)
    return log


def _is_bug(record: logging.LogRecord) -> bool:
    from aiohttp.http_exceptions import HttpProcessingError

    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, HttpProcessingError)


def _handler(
    archive: Archive, page: _Page, terms: tuple[str, ...]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await _html(page, archive, Asked(request.query, known=terms))

    return handle


def _run_handler(archive: Archive) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await _html(
            run_page, archive, request.match_info["run"], Asked(request.query, known=RUN_TERMS)
        )

    return handle


def _report_handler(archive: Archive) -> Callable[[Request], Awaitable[StreamResponse]]:
    from aiohttp import web

    async def handle(request: Request) -> StreamResponse:
        path = await asyncio.to_thread(archive.report, request.match_info["run"])
        answer = web.FileResponse(path)
        answer.content_type = "text/html"
        answer.headers["Content-Security-Policy"] = REPORT_POLICY
        return answer

    return handle


async def _style(_request: Request) -> Response:
    from aiohttp import web

    return web.Response(body=style(), content_type="text/css", charset="utf-8")


async def _html(make: Callable[..., str], *arguments: object) -> Response:
    """Return a page that is made in a thread: others are answered meanwhile."""
    from aiohttp import web

    text = await asyncio.to_thread(make, *arguments)
    return web.Response(text=whole(text), content_type="text/html", charset="utf-8")


def _problem(status: int, message: str) -> Response:
    from aiohttp import web

    title = _TITLES.get(status, "This cannot be shown")
    text = whole(render("problem.html.j2", status=status, title=title, message=message))
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


@contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    """Turn what the operating system says of a port into what a user can do."""
    try:
        yield
    except OSError as exc:
        found = not_listening(exc)
        if found.is_of_host:
            raise UsageError(
                f"cannot listen at {short(host)}: {found.why}. Choose another with --host: an address of "
                "this machine, such as 127.0.0.1"
            ) from exc
        raise UsageError(
            f"cannot listen at {host} port {port}: {found.why}. Choose another with --port; --port=0 takes "
            "any that is free"
        ) from exc


def _stop_signal() -> asyncio.Event:
    """Return what is set by SIGINT or SIGTERM."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers: there Ctrl-C raises.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    return stopped
