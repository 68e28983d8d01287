"""Who may look: what a request must fulfil before a page is made, and what answers tell browsers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from swapgate.values import Value
from swapgate.viewing.problems import Refused

if TYPE_CHECKING:
    from aiohttp.web import Request, StreamResponse

    Handler: TypeAlias = Callable[[Request], Awaitable[StreamResponse]]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# The pages hold no script, load nothing from elsewhere, and are shown in no other page's frame.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# A report runs its own script, which its own policy names by a hash. It is shown as a page of no origin:
# whatever it did, it could read none of the others.
REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard(Value):
    """What is asked of every request. `token` is None where everybody on this machine may look.

    `hosts` are the names under which the page may be reached beside addresses in digits. A page elsewhere
    can have its own name lead to this machine, and would read what a browser here is shown; but it cannot
    make the browser ask for another name than its own.
    """

    hosts: frozenset[str]
    token: str | None = None

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers keep cookies by host alone, and several pages may be served there."""
        digest = hashlib.sha256((self.token or "").encode()).hexdigest()
        return f"swapgate-view-{digest[:8]}"

    async def __call__(self, request: Request, handler: Handler) -> StreamResponse:
        """Answer a request that may be answered."""
        from aiohttp.web import HTTPSeeOther

        if request.method not in {"GET", "HEAD"}:
            raise Refused(405, "This page only shows: it takes GET and HEAD")
        if not self.is_known_host(request.headers.get("Host", "")):
            raise Refused(
                403,
                "This page is asked for under a name that it does not know. Use its address, or start it "
                "with --allow-host=NAME",
            )
        if self.token is None:
            return await handler(request)
        if "token" not in request.query:
            if not self._is_token(request.cookies.get(self.cookie, "")):
                raise Refused(
                    401, "This page asks for the token that `swapgate view` printed: open that address"
                )
            return await handler(request)
        if not self._is_token(request.query["token"]):
            raise Refused(401, "This is not the token that `swapgate view` printed")
        # The token leaves the address bar, and with it the browser's history.
        answer = HTTPSeeOther(_without_token(request))
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")
        raise answer

    def is_known_host(self, header: str) -> bool:
        """Whether a Host header names this page: an address in digits, or one of the known names."""
        try:
            host = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return host in self.hosts or _is_address(host)

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        # A header's bytes need not be text: aiohttp hands on those that are none as lone surrogates.
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine alone."""
    return host in LOOPBACK_NAMES or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def known_hosts(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the names under which a page that listens at `host` may be asked for."""
    names = {*LOOPBACK_NAMES, host, *allowed}
    if not is_loopback(host):
        names |= {socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower() for name in names)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _without_token(request: Request) -> str:
    rest = str(request.rel_url.without_query_params("token"))
    # Two slashes would lead to another host.
    return "/" + rest.lstrip("/")
