"""Which variables name the certificates to trust, and what is said where they are not enough."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fault_server import self_signed
from swapgate.errors import UsageError
from swapgate.providers._certificates import VARIABLES, trusted
from swapgate.providers._failures import Target, connection_failure
from swapgate.providers.http_client import open_http
from swapgate.shadow.forwarding import Upstream


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("authority")
    return folder / "certificate.pem", self_signed(folder)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    trusted.cache_clear()
    yield
    trusted.cache_clear()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()


async def _asked(context: ssl.SSLContext) -> tuple[str, str]:
    """Ask a server as every provider is asked, then as a shadow proxy asks."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    upstream = Upstream()
    try:
        async with open_http(concurrency=1, timeout_s=5) as http:
            answer = (await http.get(url)).text
        async with upstream._session.get(url) as reply:
            return answer, await reply.text()
    finally:
        await upstream.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name != "SSL_CERT_DIR"])
def test_each_variable_names_the_authority_of_a_company(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    certificate, context = authority
    monkeypatch.setenv(variable, str(certificate))
    assert asyncio.run(_asked(context)) == ("ok", "ok")


def test_the_first_variable_that_is_set_counts_and_a_failure_names_it(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    import certifi

    certificate, context = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))
    with pytest.raises(httpx.TransportError) as caught:
        asyncio.run(_asked(context))
    target = Target(name="m", model="m", host="localhost", written={})
    told = str(connection_failure(target, caught.value, timeout_s=1))
    assert "trusted are the certificates that REQUESTS_CA_BUNDLE names" in told
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE")
    told = str(connection_failure(target, caught.value, timeout_s=1))
    assert "bundled certificates: that of an authority of your own is named by SSL_CERT_FILE" in told


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_names_no_certificates_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=f"{variable} names .*nowhere'.*correct it, or unset it"):
        open_http(concurrency=1, timeout_s=1)
