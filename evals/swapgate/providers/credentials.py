"""Keys and headers of a provider: read from the environment at every call, scrubbed from what comes back."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.values import Value

REDACTED = "[redacted]"
_CREDENTIAL_WORDS = ("authorization", "api-key", "apikey", "token", "secret", "password", "cookie")
# A shorter value would be found by chance in answers and change what is scored.
_SHORTEST_IN_ANSWERS = 8
# JSON in a text of JSON has its escapes escaped once more, for each gateway that wraps an error in its own.
_MOST_BACKSLASHES = 8
_ESCAPED_ASCII = re.compile(r"\\u00[2-7]|\\/")


class EnvHeader(Value):
    """A header whose value, after `prefix`, is an environment variable."""

    name: str
    variable: str
    prefix: str = ""


class Sent(Value):
    """The headers of one call and the secret values among them. Never stored, never shown."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...]

    @property
    def byte(self) -> int:
        """One byte of a hash of the secrets, the only thing of them that may be stored.

        It tells most others from these, and is that of every 256th guess.
        """
        return sha256("\0".join(self.secrets).encode()).digest()[0]

    def __repr__(self) -> str:
        return f"Sent({', '.join(self.headers)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Which headers to send: literal ones and those from the environment. `key_env` holds the API key."""

    key_env: str | None = None
    literal: Mapping[str, str]
    from_env: tuple[EnvHeader, ...] = ()
    _taken: dict[tuple[str, ...], Sent] = field(default_factory=dict, init=False, repr=False, compare=False)

    def take(self) -> Sent:
        """Read the environment; ProviderError (auth) names a variable that is not set or cannot be sent.

        As long as nothing has changed there, it is the same object.
        """
        values = tuple([_require(header.variable) for header in self.from_env])
        if (sent := self._taken.get(values)) is None:
            headers = {h.name: h.prefix + value for h, value in zip(self.from_env, values, strict=True)}
            sent = Sent(headers={**self.literal, **headers}, secrets=tuple(_secrets(dict.fromkeys(values))))
            self._taken.clear()
            self._taken[values] = sent
        return sent


def read_credentials(
    where: str,
    written: Mapping[str, str | dict[str, str]],
    *,
    key_env: str | None = None,
    key_header: str = "authorization",
    key_prefix: str = "Bearer ",
    literal: Mapping[str, str] | None = None,
) -> Credentials:
    """Return the credentials of a model with these written headers.

    Raises UsageError for a credential written out, or a header that is neither text nor `{env: NAME}`.
    """
    headers = dict(literal or {})
    from_env = [EnvHeader(name=key_header, variable=key_env, prefix=key_prefix)] if key_env else []
    for name, value in written.items():
        if isinstance(value, str):
            _refuse_credential(where, name)
            headers[name.lower()] = value
        else:
            from_env.append(_env_header(where, name, value))
    return Credentials(key_env=key_env, literal=headers, from_env=tuple(from_env))


def scrub(text: str, secrets: Iterable[str], *, is_answer: bool = False) -> str:
    """Replace every secret in the text, also as JSON (within JSON), a URL or base64 would write it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if is_answer and len(secret) < _SHORTEST_IN_ANSWERS:
            continue
        for form in _forms(secret):
            text = text.replace(form, REDACTED)
        if _ESCAPED_ASCII.search(text):
            text = _with_escapes(secret).sub(REDACTED, text)
    return text


@lru_cache(maxsize=64)
def _forms(secret: str) -> set[str]:
    escaped = json.dumps(secret)[1:-1]
    in_urls = {quote(secret), quote(secret, safe="")}
    forms = {secret, escaped, escaped.replace("/", "\\/"), *in_urls, *map(_small_hex, in_urls)}
    return forms if len(secret) < _SHORTEST_IN_ANSWERS else forms | set(_in_base64(secret))


@lru_cache(maxsize=64)
def _with_escapes(secret: str) -> re.Pattern[str]:
    """Return what finds a secret of which any character is written as an escape, or behind backslashes."""
    behind = rf"\\{{1,{_MOST_BACKSLASHES}}}"
    return re.compile("".join(_with_escape(sign, behind) for sign in secret))


def _with_escape(sign: str, behind: str) -> str:
    bare = re.escape(sign) if sign.isalnum() else f"(?:{behind})?{re.escape(sign)}"
    return f"(?:{bare}|{behind}u(?i:{ord(sign):04x}))"


def _small_hex(in_url: str) -> str:
    return re.sub("%..", lambda sign: sign[0].lower(), in_url)


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what a secret leaves in base64, whatever stands around it, such as `Bearer ` or a user."""
    for before in range(3):
        raw = bytes(before) + secret.encode()
        begins, ends = -(-before * 8 // 6), len(raw) * 8 // 6  # the signs that it alone decides
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(raw).decode()[begins:ends]


def _secrets(values: Iterable[str]) -> Iterable[str]:
    """Yield each value, and its words where it has several: servers echo `Bearer KEY` without `Bearer`."""
    for value in values:
        yield value
        yield from (word for word in value.split() if len(word) >= _SHORTEST_IN_ANSWERS and word != value)


def _require(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ProviderError(f"the environment variable {variable} is not set", kind=ErrorKind.AUTH)
    if not (value.isascii() and value.isprintable()):
        message = f"{variable} holds a character that no HTTP header can carry: copy the key again"
        raise ProviderError(message, kind=ErrorKind.AUTH)
    return value


def _refuse_credential(where: str, name: str) -> None:
    if any(word in name.lower().replace("_", "-") for word in _CREDENTIAL_WORDS):
        message = f"{where}: headers.{name} carries a credential, which is never written into a file. "
        raise UsageError(message + f"Write `{name}: {{env: NAME}}` and set NAME in the environment")


def _env_header(where: str, name: str, value: dict[str, str]) -> EnvHeader:
    if "env" not in value or not set(value) <= {"env", "prefix"}:
        message = f"{where}: headers.{name} must be text or {{env: NAME}} with an optional prefix, "
        raise UsageError(message + f"got the keys {sorted(value)}")
    return EnvHeader(name=name.lower(), variable=value["env"], prefix=value.get("prefix", ""))
