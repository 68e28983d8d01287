"""What the serving side hands over of one exchange: bytes as they went by, with the time of each part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import httpx
from httpx._decoders import SUPPORTED_DECODERS
from pydantic_core import to_json

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._anthropic_stream import MessageStream
from swapgate.providers._failures import Target
from swapgate.providers._openai_stream import CompletionStream
from swapgate.providers._reply import read_received
from swapgate.providers._responses import ResponseStream, read_response
from swapgate.providers._stream import Assembly
from swapgate.providers.anthropic import read_message
from swapgate.providers.openai import read_completion
from swapgate.records import Response
from swapgate.shadow.records import Api, Leg, Served, answered

# What the answer is read with; nothing else of either side's headers is handed over, and never a key.
ANSWER_HEADERS = frozenset(
    {"content-type", "content-encoding", "x-request-id", "request-id", "apim-request-id", "retry-after"}
)
# After these an official client reads no further: it may close the connection before the service does.
_ENDS = (b"data: [DONE]", b"event: message_stop", b"event: response.completed", b"event: response.incomplete")
_READABLE = {"", *SUPPORTED_DECODERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One exchange as it went by.

    `marks` are the parts of the answer's body: the seconds from sending the request, and how many bytes had
    come by then. `unit` is what sampling kept together, already hashed. `passed` are headers of the request
    that the candidate's body may need to be understood. `broken` says why no whole answer came, and no status
    perhaps: what did come is left out then.
    """

    key: str
    route: str
    at: str
    api: Api
    status: int | None
    request: bytes = field(repr=False)
    answer: bytes = field(repr=False)
    headers: Sequence[tuple[str, str]] = ()
    marks: Sequence[tuple[float, int]] = ()
    latency_s: float = 0.0
    tags: tuple[str, ...] = ()
    unit: str | None = None
    served: Served = "control"
    passed: Mapping[str, str] = field(default_factory=dict)
    broken: ErrorKind | None = None

    def packed(self) -> list[bytes]:
        """Return the parts of a frame that `unpack` reads."""
        head = {name: getattr(self, name) for name in _HEAD}
        head |= {"request": len(self.request), "answer": len(self.answer)}
        return [to_json(head), self.request, self.answer]


_HEAD = [field.name for field in fields(Capture) if field.name not in {"request", "answer"}]


def unpack(head: dict[str, Any], content: memoryview) -> Capture:
    """Return the capture of a frame."""
    size = head["request"]
    return Capture(
        **{
            **head,
            "request": bytes(content[:size]),
            "answer": bytes(content[size:]),
            "tags": tuple(head["tags"]),
            "headers": tuple(tuple(pair) for pair in head["headers"]),
            "broken": head["broken"] and ErrorKind(head["broken"]),
        }
    )


def why_broken(exc: Exception) -> ErrorKind:
    """Return what a connection died of."""
    is_late = isinstance(exc, TimeoutError | httpx.TimeoutException)
    return ErrorKind.TIMEOUT if is_late else ErrorKind.CONNECTION


def is_at_end(parts: Sequence[bytes]) -> bool:
    """Whether the parts of a stream hold the event that ends it, although the stream itself goes on."""
    body = b"".join(parts)
    return any(end in body for end in _ENDS)


async def read_leg(capture: Capture, *, model: str, host: str) -> Leg:
    """Return the leg of who served: its answer, or why there is none."""
    target = Target(name=model, model=model, host=host, written={})
    try:
        response = await _read(capture, target)
    except ProviderError as exc:
        return failed(model, exc, latency_s=capture.latency_s, status=capture.status)
    return answered(model, response, status=capture.status)


def failed(
    model: str,
    error: ProviderError,
    *,
    latency_s: float | None = None,
    status: int | None = None,
    retries: int = 0,
) -> Leg:
    """Return the leg of a model that gave no answer."""
    return Leg(
        model=model,
        status=status if error.status is None else error.status,
        error_kind=error.kind,
        error=str(error),
        latency_s=latency_s,
        retries=retries,
    )


async def _read(capture: Capture, target: Target) -> Response:
    if capture.broken is not None:
        what = "was too late" if capture.broken is ErrorKind.TIMEOUT else "broke off"
        raise ProviderError(f"the connection {what}: no whole answer came", kind=capture.broken)
    now = [0.0]
    assert capture.status is not None
    response = httpx.Response(capture.status, headers=list(capture.headers), stream=_Parts(capture, now))
    reply = await read_received(
        target,
        response,
        assembly=_assembly(capture.api),
        latency_s=capture.latency_s,
        clock=lambda: now[0],
        encodings=_READABLE,
    )
    match capture.api:
        case "messages":
            return read_message(reply)
        case "responses":
            return read_response(reply)
    return read_completion(reply)


def _assembly(api: Api) -> Assembly:
    match api:
        case "messages":
            return MessageStream()
        case "responses":
            return ResponseStream()
    return CompletionStream()


class _Parts(httpx.AsyncByteStream):
    """The answer's body in the parts that it came in; `now` is set to the time of each."""

    def __init__(self, capture: Capture, now: list[float]) -> None:
        self._capture = capture
        self._now = now

    async def __aiter__(self) -> AsyncIterator[bytes]:
        start = 0
        for at_s, end in self._capture.marks:
            self._now[0] = at_s
            yield self._capture.answer[start:end]
            start = end
