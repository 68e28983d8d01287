"""What a failed exchange means: statuses, error bodies and broken connections as classified errors."""

from __future__ import annotations

import datetime
import email.utils
import errno
import math
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import httpx
from pydantic_core import from_json

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._certificates import naming_variable
from swapgate.providers._proxies import PROXY_ADVICE, UNKNOWN_TO_PROXY, proxy_failure
from swapgate.providers.credentials import scrub
from swapgate.providers.http_client import LONGEST_CONNECT_S
from swapgate.records import Json
from swapgate.values import Value

# Remedies that several messages end with.
ASK_AGAIN = "A rerun asks again, and only for what is missing"
CHECK_ADDRESS = "Is base_url the right address?"
_EXCERPT_LENGTH = 200
# An error that says more is cut before the patterns below look for their words.
_LONGEST_MESSAGE = 4000
_CONTEXT = (
    r"context.?length|context (window|size|limit)|exceed_context_size|prompt is too long|request_too_large"
    r"|too many (input )?tokens|maximum (number of|context|prompt|input|sequence)[ \w]*(tokens|length)"
    r"|input token count"
)
_FILTER = (
    r"content.?filter|content.?policy|content management policy|responsibleaipolicy|content exists risk"
    r"|input was flagged|invalid_prompt|prohibited.?content"
)
_QUOTA = r"insufficient.?(quota|balance|credit)|credit balance|billing.?(hard.?limit|not.?active)"
# What OpenAI answers with 429 to a request that alone is more than a minute allows.
_TOO_LARGE = r"request too large"
_BAD_KEY = r"api.?key.?(not.?valid|invalid|expired)|invalid.?api.?key|incorrect api key"
_REFUSED = (
    r"(unsupported|unknown|unrecognized|unexpected|invalid)[ _](parameter|request argument|value|name|field)"
    r"|extra[ _](inputs|forbidden)|(not|n't) supported|does not support|not permitted|deprecated|not allowed"
    r"|cannot (both )?be (specified|used|set)|unexpected keyword"
)
_LESS = "This request alone is over the limit: shorten it, or lower max_tokens"
_MASKED_KEY = re.compile(r"\S*\*{3,}\S*")
# What errors are called that come without a status, within an answer: Anthropic's and OpenAI's words.
_STATUS_OF_NAME = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_STRUCTURED = {"response_format", "output_config", "responseJsonSchema", "responseMimeType"}
_NEVER_CONNECTED = {"ConnectError", "ClientConnectorError"}
_UNCONNECTED = "ConnectionTimeoutError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who was asked, for messages: the model's name, its id at the provider, the host, the key's variable.

    `written` maps the parameters on the wire to the names that people write. No message holds one of the
    `secrets`, however the server has written it.
    """

    name: str
    model: str
    host: str
    key_env: str | None = None
    written: Mapping[str, str]
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def error(
        self, text: str, kind: ErrorKind, *, status: int | None = None, retry_after_s: float | None = None
    ) -> ProviderError:
        """Return the error with the model and the host in front."""
        message = f"{self.name} ({self.host}): {scrub(text, self.secrets)}"
        return ProviderError(message, kind=kind, status=status, retry_after_s=retry_after_s)

    def cut_off(self, text: str) -> ProviderError:
        """Return the error of an answer that broke off: it may be billed, and be whole the next time."""
        error = self.error(f"{text}. {ASK_AGAIN}", ErrorKind.CONNECTION)
        error.may_be_billed = True
        return error


class _Said(Value):
    """An error body boiled down: its message, its codes in one text, and the parameter that it names."""

    message: str
    codes: str = ""
    param: str | None = None
    wait_s: float | None = None


def excerpt(text: str) -> str:
    """Return a short form of a server's text that is safe to print: one line, control characters escaped."""
    line = " ".join(text[: 4 * _EXCERPT_LENGTH].split())
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return safe if len(safe) <= _EXCERPT_LENGTH else safe[: _EXCERPT_LENGTH - 1] + "…"


def status_failure(target: Target, status: int, text: str, headers: Mapping[str, str]) -> ProviderError:
    """Classify an HTTP answer that is no success. `text` is its body."""
    said = _read_error(text)
    kind, advice = _classify(target, status, said)
    # A JSON body may have hidden a secret behind an escape, and an excerpt may cut one in two.
    shown = excerpt(scrub(said.message, target.secrets))
    message = _MASKED_KEY.sub("[masked]", shown).rstrip(".")
    text = f"HTTP {status}" + (f": {message}" if message else "") + (f". {advice}" if advice else "")
    wait_s = retry_after_s(headers, now=datetime.datetime.now(datetime.UTC))
    return target.error(text, kind, status=status, retry_after_s=said.wait_s if wait_s is None else wait_s)


def error_status(error: Json) -> int:
    """Return the status of an error that came within a success: its own, that of its name, else 500."""
    if not isinstance(error, dict):
        return 500
    code = str(error.get("code"))
    if code.isdecimal() and 400 <= int(code[:9]) < 600:
        return int(code)
    names = (code, str(error.get("type")))
    return next((_STATUS_OF_NAME[name] for name in names if name in _STATUS_OF_NAME), 500)


def too_large(target: Target, status: int) -> ProviderError:
    """Return the error of an answer over the limit."""
    text = f"answer larger than 10 MiB. {CHECK_ADDRESS}"
    return target.error(text, ErrorKind.BAD_RESPONSE, status=status)


@cache
def broken() -> tuple[type[Exception], ...]:
    """Return what an exchange that breaks raises; asked when one does, since aiohttp is there by then."""
    import aiohttp

    return httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError


def connection_failure(target: Target, error: BaseException, *, timeout_s: float | None) -> ProviderError:
    """Classify an exchange that broke before an HTTP answer was whole."""
    chain = list(_chain(error))
    if (of_proxy := proxy_failure(chain, host=target.host)) is not None:
        kind, text = of_proxy
        return target.error(text, kind)
    if (why_unreached := _why_unreached(chain, timeout_s)) is not None:
        return target.error(why_unreached, ErrorKind.CONNECTION)
    if any(isinstance(e, TimeoutError) for e in chain):
        within = f" within {timeout_s:g} s" if timeout_s else ""
        text = f"no answer{within}: raise `timeout_s`, or ask for less (`max_tokens`)"
        return target.error(text, ErrorKind.TIMEOUT)
    text = f"the connection broke ({type(chain[-1]).__name__}). {ASK_AGAIN}"
    failure = target.error(text, ErrorKind.CONNECTION)
    failure.may_be_billed = not any(type(e).__name__ in _NEVER_CONNECTED for e in chain)
    return failure


def _why_unreached(chain: Sequence[BaseException], timeout_s: float | None) -> str | None:
    """Return why there was no connection, and a remedy; None where there was one, or nobody knows."""
    if any(isinstance(e, ssl.SSLError | ssl.CertificateError) for e in chain):
        text = "no TLS connection: the certificate or the protocol was not accepted. Check base_url"
        return f"{text}; trusted are the {_trusted()}"
    if any(isinstance(e, socket.gaierror) or type(e).__name__ == "ClientConnectorDNSError" for e in chain):
        return "the host's name cannot be resolved: check base_url"
    if any(isinstance(e, OSError) and e.errno == errno.ECONNREFUSED for e in chain):
        return "connection refused: is the server running?"
    if any(type(e).__name__ == _UNCONNECTED for e in chain):
        within_s = min(timeout_s or LONGEST_CONNECT_S, LONGEST_CONNECT_S)
        return f"no connection within {within_s:g} s: does a firewall let you through? Check base_url"
    return None


def _trusted() -> str:
    variable = naming_variable()
    if variable is not None:
        return f"certificates that {variable} names"
    return "bundled certificates: that of an authority of your own is named by SSL_CERT_FILE"


def retry_after_s(headers: Mapping[str, str], *, now: datetime.datetime) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110) asks for.

    A date is held against the answer's own `date`, which is of the same clock; `now` is for want of one.
    """
    wait_ms = _number(headers.get("retry-after-ms", ""))
    if wait_ms is not None and wait_ms >= 0:
        return wait_ms / 1000
    written = headers.get("retry-after", "")
    wait_s = _number(written)
    if wait_s is None:
        until = _moment(written)
        if until is None:
            return None
        wait_s = (until - (_moment(headers.get("date", "")) or now)).total_seconds()
    return max(0.0, wait_s)


def _moment(written: str) -> datetime.datetime | None:
    """Return an HTTP date; one without a zone is of UTC, as all of them are (RFC 9110)."""
    try:
        read = email.utils.parsedate_to_datetime(written)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=datetime.UTC)


def _classify(target: Target, status: int, said: _Said) -> tuple[ErrorKind, str]:
    """Return the kind and what to do about it: the first rule that holds, most telling first."""
    everything = f"{said.codes} {said.message}"
    refused = _refused_parameter(target, said) if status in {400, 422} else ""
    has_no_credit = status == 402 or _says(_QUOTA, everything)
    rules = (
        (has_no_credit, ErrorKind.AUTH, "The account has no credit left: waiting does not help"),
        (status != 401 and _says(_FILTER, everything), ErrorKind.CONTENT_FILTER, ""),
        (status in {400, 413, 422, 500} and _says(_CONTEXT, everything), ErrorKind.CONTEXT_LENGTH, ""),
        (status in {401, 403}, ErrorKind.AUTH, _key_advice(target)),
        (status == UNKNOWN_TO_PROXY, ErrorKind.AUTH, PROXY_ADVICE),
        (status == 400 and _says(_BAD_KEY, everything), ErrorKind.AUTH, _key_advice(target)),
        (status in {408, 504}, ErrorKind.TIMEOUT, ASK_AGAIN),
        (status == 429 and _says(_TOO_LARGE, everything), ErrorKind.BAD_REQUEST, _LESS),
        (status == 429, ErrorKind.RATE_LIMIT, "Lower --concurrency, or give the model `limits`"),
        (status >= 500, ErrorKind.SERVER, ASK_AGAIN),
        (refused, ErrorKind.REFUSED_PARAMETER, refused),
        (status < 400, ErrorKind.BAD_REQUEST, f"That is neither an answer nor a redirect. {CHECK_ADDRESS}"),
        (status == 404, ErrorKind.BAD_REQUEST, _model_advice(target)),
    )
    return next(((kind, advice) for holds, kind, advice in rules if holds), (ErrorKind.BAD_REQUEST, ""))


def _says(pattern: str, text: str) -> bool:
    """Whether a pattern, which is compiled when an error first asks for it, is found in whatever case."""
    return re.search(pattern, text, re.IGNORECASE) is not None


def _model_advice(target: Target) -> str:
    return f"Does the model {target.model!r} exist there? Check model and base_url"


def _key_advice(target: Target) -> str:
    if target.key_env is None:
        return "The server wants a key: name its environment variable in api_key_env"
    return f"The key in {target.key_env} was not accepted"


def _refused_parameter(target: Target, said: _Said) -> str:
    """Return the advice for a parameter that the model does not take, "" when none that was sent is named."""
    everything = f"{said.codes} {said.message}"
    if not _says(_REFUSED, everything):
        return ""
    named = (said.param or "").split(".")[0].split("[")[0]
    words = set(re.findall(r"\w+", said.message))
    refused = next((wire for wire in target.written if wire == named), None) or next(
        (wire for wire in target.written if wire in words or target.written[wire] in words), None
    )
    if refused is None:
        return ""
    if refused in _STRUCTURED:
        return "The model takes no schema: set `structured_output: false` for it"
    name = target.written[refused]
    return (
        f"The model does not take {name!r} as it was sent: set `unset: [{name}]` for it, or change the value"
    )


def _read_error(text: str) -> _Said:
    """Read the error shapes of OpenAI, Anthropic, Gemini and FastAPI; any other text is its own message."""
    try:
        body: Json = from_json(text)
    except ValueError:
        return _Said(message=text[:_LONGEST_MESSAGE])
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return _Said(message=text[:_LONGEST_MESSAGE])
    error = body.get("error", body)
    if not isinstance(error, dict):
        return _Said(message=str(error)[:_LONGEST_MESSAGE], codes=str(body.get("code", "")))
    message = error.get("message") or body.get("message") or error.get("detail") or text
    param = error.get("param")
    return _Said(
        message=str(message)[:_LONGEST_MESSAGE],
        codes=" ".join(_codes(error)),
        param=param if isinstance(param, str) else None,
        wait_s=_wait(error),
    )


def _codes(error: Mapping[str, Json]) -> Iterator[str]:
    yield from (str(error[key]) for key in ("code", "type", "status") if error.get(key))
    inner = error.get("innererror")
    if isinstance(inner, dict):
        yield str(inner.get("code", ""))
    for detail in _details(error):
        yield str(detail.get("reason", ""))


def _wait(error: Mapping[str, Json]) -> float | None:
    """Return what google.rpc.RetryInfo asks for, in seconds."""
    waits = (_number(str(d.get("retryDelay", "")).removesuffix("s")) for d in _details(error))
    return next((wait for wait in waits if wait is not None), None)


def _details(error: Mapping[str, Json]) -> list[dict[str, Json]]:
    details = error.get("details")
    return [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__
