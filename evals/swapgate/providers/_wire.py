"""One JSON exchange over HTTP: time limit, size limit, scrubbing, classified failures. Knows no format."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import httpx
from pydantic import BaseModel, ValidationError

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers._failures import Target, connection_failure, excerpt, status_failure
from swapgate.providers.credentials import Credentials, Sent, scrub
from swapgate.records import Json
from swapgate.spec.models import ModelSpec
from swapgate.storable import parse_json

LARGEST_ANSWER = 10 * 1024 * 1024
_LONGEST_ID = 200
_SECRET_QUERY = {"key", "api_key", "api-key", "apikey", "access_token", "token", "secret", "password"}
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")
_Shape = TypeVar("_Shape", bound=BaseModel)
# Told the status and the headers (names in lower case, secrets masked) of every HTTP answer.
Heard = Callable[[int, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful answer: its scrubbed body, the seconds that the exchange took, the server's id of it."""

    target: Target
    text: str
    latency_s: float
    secrets: tuple[str, ...] = field(repr=False)
    request_id: str | None = None

    def json(self) -> Json:
        """Return the body as JSON; ProviderError (bad_response) when it is none."""
        try:
            value = parse_json(self.text)
        except ValueError as exc:
            raise self.bad(f"the answer is not JSON ({exc})") from None
        return _scrub_value(value, self.secrets) if "\\" in self.text else value

    def read(self, shape: type[_Shape]) -> _Shape:
        """Return the body in its expected shape; an error that a gateway calls a success is told as one."""
        value = self.json()
        try:
            return shape.model_validate(value)
        except ValidationError as exc:
            if isinstance(value, dict) and value.get("error"):
                text = scrub(self.text, self.secrets)
                raise status_failure(self.target, _status_of(value["error"]), text, {}) from None
            first = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise self.bad(f"the answer has an unexpected shape ({place}: {first['msg']})") from None

    def bad(self, problem: str) -> ProviderError:
        """Return a bad_response error that shows the beginning of the body."""
        shown = excerpt(scrub(self.text, self.secrets))
        return self.target.error(f"{problem}: '{shown}'", ErrorKind.BAD_RESPONSE)


@dataclass(slots=True, kw_only=True)
class Wire:
    """Sends JSON to one URL on behalf of one model. Raises ProviderError and nothing else."""

    spec: ModelSpec
    http: httpx.AsyncClient
    credentials: Credentials
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    heard: Heard | None = None

    async def send(self, body: Json, *, written: Mapping[str, str] | None = None) -> Reply:
        """Exchange a body (None: none) for a reply; `written` maps wire parameters to what people write."""
        target = self._target(written or {})
        sent = self.credentials.take()
        content = _encode(target, body)
        timeout_s = self.timeout_s
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(target, sent, content, started)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as exc:
            if isinstance(exc, httpx.DecodingError):
                raise target.error("the answer's compression is broken", ErrorKind.BAD_RESPONSE) from None
            raise connection_failure(target, exc, timeout_s=timeout_s) from None

    @property
    def timeout_s(self) -> float | None:
        """The seconds that one exchange may take, from the model's own setting or the client's."""
        return self.spec.timeout_s if self.spec.timeout_s is not None else self.http.timeout.read

    async def _exchange(self, target: Target, sent: Sent, content: bytes | None, started: float) -> Reply:
        headers = {"accept": "application/json", **sent.headers}
        if content is not None:
            headers.setdefault("content-type", "application/json")
        async with self.http.stream(
            self.method,
            self.url,
            params=self.query or None,
            headers=headers,
            content=content,
            timeout=self.timeout_s,
            follow_redirects=False,
        ) as response:
            raw = await _read(target, response)
        return _reply(target, sent, response, raw, time.perf_counter() - started, heard=self.heard)

    def _target(self, written: Mapping[str, str]) -> Target:
        return Target(
            name=self.spec.name,
            model=self.spec.model,
            host=httpx.URL(self.url).netloc.decode(),
            key_env=self.credentials.key_env,
            written=written,
        )


class WireProvider:
    """What the providers of one wire format share; each adds `complete`."""

    is_recordable = True
    reads_cache = True
    needs_variables = False

    def __init__(self, spec: ModelSpec, wire: Wire, *, identity: Mapping[str, Json]) -> None:
        self._spec = spec
        self._wire = wire
        self.identity = identity

    async def close(self) -> None:
        """Nothing is held."""


def check_url(where: str, url: str) -> None:
    """Raise UsageError for a base URL that is none, or that carries a secret."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise UsageError(f"{where}: base_url {url!r} is not a URL: {exc}") from exc
    if parsed.userinfo or _SECRET_QUERY & {name.lower() for name in parsed.params}:
        fix = "never written into a file: use api_key_env, or headers with {env: NAME}"
        raise UsageError(f"{where}: base_url carries a credential, which is {fix}")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError(
            f"{where}: base_url {url!r} is not an address: it must start with https:// or http://"
        )


async def _read(target: Target, response: httpx.Response) -> bytes:
    """Read the body as it comes, never more than the limit."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise target.error(
                "answer larger than 10 MiB", ErrorKind.BAD_RESPONSE, status=response.status_code
            )
    return bytes(body)


def _reply(
    target: Target,
    sent: Sent,
    response: httpx.Response,
    raw: bytes,
    latency_s: float,
    *,
    heard: Heard | None = None,
) -> Reply:
    headers = {name.lower(): scrub(value, sent.secrets) for name, value in response.headers.items()}
    if heard is not None:
        heard(response.status_code, headers)
    if response.status_code in range(300, 400):
        raise _redirected(target, response.status_code, headers.get("location", ""))
    if not response.is_success:
        text = scrub(raw.decode("utf-8", "backslashreplace"), sent.secrets)
        raise status_failure(target, response.status_code, text, headers)
    reply = Reply(
        target=target,
        text=scrub(raw.decode("utf-8", "backslashreplace"), sent.secrets, is_answer=True),
        latency_s=latency_s,
        secrets=sent.secrets,
        request_id=next((headers[name][:_LONGEST_ID] for name in _REQUEST_IDS if name in headers), None),
    )
    if not _is_utf8(raw):
        raise reply.bad("the answer is not text in UTF-8")
    return reply


def _redirected(target: Target, status: int, location: str) -> ProviderError:
    text = f"HTTP {status}: a redirect to '{excerpt(location)}', not followed so that no key goes elsewhere. "
    return target.error(text + "Set base_url to the final address", ErrorKind.BAD_REQUEST, status=status)


def _encode(target: Target, body: Json) -> bytes | None:
    if body is None:
        return None
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as exc:
        raise target.error(f"the request cannot be written as JSON: {exc}", ErrorKind.BAD_REQUEST) from None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _scrub_value(value: Json, secrets: tuple[str, ...]) -> Json:
    """Scrub the strings of a parsed body: an escape can hide a secret from the scrubbing of its text."""
    if isinstance(value, str):
        return scrub(value, secrets, is_answer=True)
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in value]
    if isinstance(value, dict):
        return {
            scrub(key, secrets, is_answer=True): _scrub_value(item, secrets) for key, item in value.items()
        }
    return value


def _status_of(error: Json) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500
