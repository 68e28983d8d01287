"""Exchanges out of logs that are there already: what was asked and answered before there was a proxy."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from swapgate.errors import SpecError
from swapgate.memory.prices import cost_usd
from swapgate.records import Json, content_hash
from swapgate.shadow.capture import Capture, read_leg
from swapgate.shadow.log_formats import Logged, Unreadable, read_litellm, read_openai, read_otel
from swapgate.shadow.mirror import observed
from swapgate.shadow.plan import PlannedRoute
from swapgate.shadow.records import Exchange, Leg, answered
from swapgate.shadow.requests import has_server_tools
from swapgate.shadow.sampling import is_drawn, unit_hash
from swapgate.shadow.spool import read_spool
from swapgate.values import replace

LogFormat: TypeAlias = Literal["spool", "openai", "litellm", "otel"]
LOG_FORMATS: tuple[LogFormat, ...] = ("spool", "openai", "litellm", "otel")
_READERS: Mapping[LogFormat, Callable[[Json], list[Logged]]] = {
    "openai": read_openai,
    "litellm": read_litellm,
    "otel": read_otel,
}


def read_log(path: Path, log_format: LogFormat, planned: PlannedRoute | None) -> Iterator[Exchange]:
    """Yield the exchanges of a file, or of the .jsonl and .jsonl.gz files of a folder; each waits.

    `planned` is the route that they are of; those of a spool know theirs. What cannot be mirrored (an error
    without an answer, tools that the provider runs) is left out. SpecError at a line that cannot be read.
    """
    if log_format == "spool":
        yield from read_spool(path)
        return
    assert planned is not None
    with asyncio.Runner() as runner:
        for file in _files(path):
            for number, line in _lines(file):
                for logged in _read(line, log_format, path=file, number=number):
                    if not has_server_tools(logged.body):
                        yield _exchange(logged, planned, runner)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted((*path.glob("*.jsonl"), *path.glob("*.jsonl.gz"), *path.glob("*.json")))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as exc:
            raise SpecError(f"the log cannot be read: {exc}", path=path) from exc


def _read(line: str, log_format: LogFormat, *, path: Path, number: int) -> list[Logged]:
    try:
        return _READERS[log_format](json.loads(line))
    except (Unreadable, ValueError, RecursionError) as exc:
        message = f"not a line of the format {log_format}: {exc}"
        raise SpecError(message, path=path, line=number) from exc


def _exchange(logged: Logged, planned: PlannedRoute, runner: asyncio.Runner) -> Exchange:
    key = content_hash([planned.name, logged.id or [dict(logged.body), logged.at_s, logged.answer]])[:24]
    leg = (
        answered(planned.control.name, logged.response, status=None)
        if logged.response is not None
        else runner.run(_read_answer(logged, planned, key))
    )
    ttft_s = leg.ttft_s if logged.ttft_s is None else logged.ttft_s
    leg = replace(
        leg, latency_s=logged.latency_s, ttft_s=ttft_s, cost_usd=cost_usd(planned.control, leg.usage)
    )
    exchange = observed(
        logged.body,
        key=key,
        route=planned.name,
        at=_iso(logged.at_s),
        api=logged.api,
        control=leg,
        setup=planned.setup,
        tags=logged.tags,
        unit=None if logged.user is None else unit_hash(logged.user),
        source="log",
        wants_again=is_drawn(key, planned.route.again_share, salt="again"),
    )
    return replace(exchange, state="waiting" if leg.has_answer else "whole")


async def _read_answer(logged: Logged, planned: PlannedRoute, key: str) -> Leg:
    """Read an answer that was logged in its wire format, as if it came now."""
    content = json.dumps(logged.answer).encode()
    capture = Capture(
        key=key,
        route=planned.name,
        at=_iso(logged.at_s),
        api=logged.api,
        status=logged.status,
        request=b"",
        answer=content,
        headers=(("content-type", "application/json"),),
        marks=((logged.latency_s or 0.0, len(content)),),
        latency_s=logged.latency_s or 0.0,
    )
    return await read_leg(capture, model=planned.control.name, host="log")


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
