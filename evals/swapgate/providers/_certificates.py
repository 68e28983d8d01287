"""Which certificates are trusted: those that the environment names, or else the bundled ones."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path

from swapgate.errors import UsageError

# The first that is set counts. httpx reads the first two, requests and curl the others: a company that looks
# into TLS has set one of them, and seldom all.
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def naming_variable() -> str | None:
    """Return the variable that names the certificates to trust, None for the bundled ones."""
    return next((name for name in VARIABLES if os.environ.get(name)), None)


def require_certificates() -> None:
    """Raise UsageError where the variable that counts names no certificates.

    To load them takes a tenth of a second, which a run that the cache answers does without.
    """
    variable = naming_variable()
    if variable is None:
        return
    named = Path(os.environ[variable])
    may_be_file, may_be_folder = variable != "SSL_CERT_DIR", variable != "SSL_CERT_FILE"
    if not (may_be_file and named.is_file()) and not (may_be_folder and named.is_dir()):
        raise UsageError(
            f"{variable} names {str(named)!r}, and there are no certificates there: correct it, or unset it"
        )
    if named.is_file():
        _require_pem(variable, named)


def _require_pem(variable: str, file: Path) -> None:
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise UsageError(f"{variable} names {str(file)!r}, which cannot be read: {exc.strerror}") from exc
    if b"-----BEGIN " not in content:
        raise UsageError(f"{variable} names {str(file)!r}, which holds no certificate in PEM's form")


@cache
def trusted() -> ssl.SSLContext:
    """Return the context of every connection."""
    variable = naming_variable()
    if variable is None:
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    named = os.environ[variable]
    if Path(named).is_dir():
        return ssl.create_default_context(capath=named)
    return ssl.create_default_context(cafile=named)
