"""Proxies that the environment names: refused where they cannot be asked, told of where they fail.

Their URLs may hold a password, and are never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies

from swapgate.errors import ErrorKind, UsageError

UNKNOWN_TO_PROXY = 407
_VARIABLES = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
PROXY_ADVICE = (
    f"The proxy of {_VARIABLES} wants a user and a password: write http://USER:PASSWORD@HOST:PORT there, "
    "signs such as @ and / as %40 and %2F"
)


def require_proxies() -> None:
    """Raise UsageError for a proxy that cannot be asked."""
    found = getproxies()
    if "*" in (host.strip() for host in found.get("no", "").split(",")):
        return
    for scheme in ("http", "https", "all"):
        if (written := found.get(scheme)) and not _is_proxy(written):
            raise UsageError(
                f"{scheme.upper()}_PROXY names no proxy that can be asked: it must be http://HOST:PORT or "
                "https://HOST:PORT, with USER:PASSWORD@ before the host where it wants them. No SOCKS"
            )


def _is_proxy(written: str) -> bool:
    try:
        url = urlsplit(written if "://" in written else f"http://{written}")
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def proxy_failure(chain: Sequence[BaseException], *, host: str) -> tuple[ErrorKind, str] | None:
    """Return what a proxy did not do on the way to a host; None where the proxy is not what failed.

    `chain` is an exception with its causes, of aiohttp: its classes are told by their names.
    """
    for error in chain:
        name, asked = type(error).__name__, getattr(error, "host", None)
        if name == "ClientHttpProxyError":
            return _refusal(getattr(error, "status", 0))
        # The name of a proxy is looked up before it is known as one.
        is_its_name = name == "ClientConnectorDNSError" and asked is not None and asked not in host
        if name == "ClientProxyConnectionError" or is_its_name:
            told = f"no connection to the proxy {asked}: check {_VARIABLES}, and whether it runs"
            return ErrorKind.CONNECTION, told
    return None


def _refusal(status: int) -> tuple[ErrorKind, str]:
    if status == UNKNOWN_TO_PROXY:
        return ErrorKind.AUTH, f"HTTP {status}. {PROXY_ADVICE}"
    told = (
        f"the proxy of {_VARIABLES} answered {status} and made no connection: does it let this host through?"
    )
    return ErrorKind.CONNECTION, told
