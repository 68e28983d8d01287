"""From a resolved model to its provider: one of the known ones, or another package's entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from swapgate.errors import UsageError, nearest
from swapgate.providers import Provider
from swapgate.providers.services import SERVICES, Service, key_variable, missing_key, service_url
from swapgate.records import Json
from swapgate.spec.models import ModelSpec

if TYPE_CHECKING:
    import httpx

    from swapgate.providers._wire import Heard, Wire

__all__ = ["ENTRY_POINTS", "PROVIDER_NAMES", "file_sha256", "missing_key", "open_provider", "require_ready"]

ENTRY_POINTS = "swapgate.providers"
PROVIDER_NAMES: tuple[str, ...] = (*SERVICES, "python", "recorded", "local")
_NEVER_STREAMED = {"python", "recorded", "http"}
_ANTHROPIC_VERSION = "2023-06-01"
_GEMINI_VERSION = "v1beta"


def open_provider(
    spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
) -> Provider:
    """Return the provider of a model; nothing is called, and no key is read yet.

    `heard` is told the headers (names in lower case) of answers that speak of rate limits.
    Raises UsageError for an unknown provider, a missing address or file, or a credential written out.
    """
    _check_stream(spec)
    if spec.provider in SERVICES:
        return _open_service(spec, SERVICES[spec.provider], http, heard)
    if spec.provider == "recorded":
        from swapgate.providers.recorded import RecordedProvider

        return RecordedProvider(spec, root=root)
    if spec.provider == "python":
        from swapgate.providers.python import PythonProvider

        timeout_s = spec.timeout_s if spec.timeout_s is not None else http.timeout.read
        return PythonProvider(spec, root=root, timeout_s=timeout_s)
    if spec.provider == "local":
        from swapgate.providers.local import LocalProvider

        return LocalProvider(spec, http=http, root=root)
    return _third_party(spec)(spec, http=http, root=root)


def is_user_provider(spec: ModelSpec) -> bool:
    """Whether the model is code of the user's or of another package."""
    return spec.provider == "python" or spec.provider not in PROVIDER_NAMES


def require_ready(spec: ModelSpec, root: Path, *, has_replay: bool = True) -> None:
    """Raise UsageError when a model cannot be asked: its key is not set, or its weights are not here.

    `has_replay` says whether the command takes --replay, which needs no key.
    """
    variable = missing_key(spec)
    if variable is not None:
        without = ". With --replay recorded responses are used and no key is needed" if has_replay else ""
        raise UsageError(
            f"model {spec.name!r} needs the environment variable {variable}, which is not set. "
            f"Nothing was called{without}"
        )
    if spec.provider == "local":
        from swapgate.providers.weights import require_weights

        require_weights(spec, root)


def file_sha256(spec: ModelSpec, root: Path) -> str | None:
    """Return the SHA-256 of the file behind a `local` or `recorded` model; None for every other provider."""
    from swapgate.providers.weights import hash_file, weights_sha256

    if spec.provider == "local":
        return weights_sha256(spec, root)
    if spec.provider != "recorded" or not spec.path or not (root / spec.path).is_file():
        return None
    return hash_file(root / spec.path)


def _open_service(
    spec: ModelSpec, service: Service, http: httpx.AsyncClient, heard: Heard | None
) -> Provider:
    base_url = _base_url(spec, service)
    if spec.prompt_cache and service.protocol != "anthropic":
        raise UsageError(
            f"model {spec.name!r}: prompt_cache is for Anthropic's format; {spec.provider} needs no such mark"
        )
    identity = _identity(spec, service, base_url)
    if service.protocol == "anthropic":
        from swapgate.providers.anthropic import AnthropicProvider

        dated = {"anthropic-version": spec.api_version or _ANTHROPIC_VERSION}
        url = f"{base_url.removesuffix('/v1')}/v1/messages"
        return AnthropicProvider(
            spec, _wire(spec, service, http, url, heard, literal=dated), identity=identity
        )
    if service.protocol == "gemini":
        from swapgate.providers.gemini import GeminiProvider

        query = {"alt": "sse"} if spec.stream else {}
        wire = _wire(spec, service, http, _gemini_url(spec, base_url), heard, query=query)
        return GeminiProvider(spec, wire, identity=identity)
    if service.protocol == "http":
        from swapgate.providers.http import HttpProvider

        method = (spec.method or "POST").upper()
        wire = _wire(spec, service, http, base_url, heard, method=method)
        return HttpProvider(spec, wire, identity=identity | _written_request(spec, method))
    from swapgate.providers.openai import OpenAIProvider

    version = spec.api_version if spec.provider == "azure" else None
    query = {"api-version": version} if version else {}
    wire = _wire(spec, service, http, _openai_url(spec, base_url), heard, query=query)
    return OpenAIProvider(spec, wire, identity=identity)


def _wire(
    spec: ModelSpec,
    service: Service,
    http: httpx.AsyncClient,
    url: str,
    heard: Heard | None,
    *,
    literal: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    method: str = "POST",
) -> Wire:
    from swapgate.providers._wire import Wire
    from swapgate.providers.credentials import read_credentials

    credentials = read_credentials(
        f"model {spec.name!r}",
        spec.headers,
        key_env=key_variable(spec),
        key_header=service.key_header,
        key_prefix=service.key_prefix,
        literal=literal,
    )
    return Wire(
        spec=spec,
        http=http,
        credentials=credentials,
        url=url,
        query=query or {},
        method=method,
        heard=heard,
    )


def _base_url(spec: ModelSpec, service: Service) -> str:
    """Return the model's base URL, its service's own when none is written."""
    from swapgate.providers._wire import check_url

    where = f"model {spec.name!r}"
    url = spec.base_url or service_url(spec.provider)
    if not url:
        raise UsageError(f"{where}: provider {spec.provider} needs `base_url`")
    check_url(where, url)
    return url if service.protocol == "http" else url.rstrip("/")


def _openai_url(spec: ModelSpec, base_url: str) -> str:
    if "?" in base_url or base_url.endswith("/chat/completions"):
        fix = "it ends before /chat/completions; an API version goes into api_version"
        raise UsageError(f"model {spec.name!r}: base_url {base_url!r}: {fix}")
    return f"{base_url}/chat/completions"


def _gemini_url(spec: ModelSpec, base_url: str) -> str:
    version = spec.api_version or _GEMINI_VERSION
    model = quote(spec.model.removeprefix("models/"), safe="")
    method = "streamGenerateContent" if spec.stream else "generateContent"
    return f"{base_url.removesuffix(f'/{version}')}/{version}/models/{model}:{method}"


def _check_stream(spec: ModelSpec) -> None:
    """Refuse `stream` where nothing streams, and where it stands among what is sent as it is."""
    if spec.stream and (spec.provider in _NEVER_STREAMED):
        raise UsageError(f"model {spec.name!r}: provider {spec.provider} does not stream: remove `stream`")
    if "stream" in spec.params and spec.provider in SERVICES.keys() - _NEVER_STREAMED:
        raise UsageError(f"model {spec.name!r}: write `stream` beside `params`, not within")


def _identity(spec: ModelSpec, service: Service, base_url: str) -> dict[str, Json]:
    """Return what of the provider determines an answer; what is not set is left out: keys stay stable."""
    # An answer is the same however it comes, streamed or not.
    unset: list[Json] = [*sorted(set(spec.unset) - {"stream_options"})]
    identity: dict[str, Json] = {"protocol": service.protocol, "base_url": base_url}
    identity |= {"api_version": spec.api_version, "unset": unset or None}
    identity |= {"structured_output": spec.structured_output}
    return {name: value for name, value in identity.items() if value is not None}


def _written_request(spec: ModelSpec, method: str) -> dict[str, Json]:
    """Return what the user wrote of an `http` request: headers from the environment are left out."""
    headers: Json = {name: value for name, value in spec.headers.items() if isinstance(value, str)}
    return {"method": method, "request": spec.request, "answer": spec.answer, "headers": headers}


def _third_party(spec: ModelSpec) -> Callable[..., Provider]:
    """Load a provider that another package brings; a built-in name never looks there."""
    for entry in entry_points(group=ENTRY_POINTS, name=spec.provider):
        factory: Callable[..., Provider] = entry.load()
        return factory
    known = sorted({*PROVIDER_NAMES, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
    hint = nearest(spec.provider, known)
    message = f"model {spec.name!r}: unknown provider {spec.provider!r}.{hint} Known providers: "
    raise UsageError(message + ", ".join(known))
