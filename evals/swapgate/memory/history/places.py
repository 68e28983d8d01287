"""Where a history lies: an SQLite file by its path, or a PostgreSQL database by its URL; how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from swapgate.errors import StoreError, UsageError
from swapgate.memory.remedies import remedy_for, said_by
from swapgate.memory.wal import BUSY_S, connect_reading, use_wal

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

# A path is SQLite's, a text is a URL, which may hold a password: it is shown by `shown_place` alone.
Place: TypeAlias = Path | str
# A network that swallows everything must not hold the end of a run.
_CONNECTION = {
    "application_name": "swapgate",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_STATEMENT_MS = 60_000
_DRIVER = "postgresql+psycopg"


class Unreachable(StoreError):
    """The database of a team does not answer now. A run goes on without it, and is brought in later."""


def is_shared(place: Place) -> bool:
    """Whether the history is a database that machines share, which may be out of reach."""
    return isinstance(place, str)


def has_history(place: Place) -> bool:
    """Whether there may be a history; opening a file that is none yet would make one."""
    return isinstance(place, str) or place.exists()


def shown_place(place: Place) -> str:
    """Return how the place is called in messages: never with a password, nor a parameter that may be one."""
    if isinstance(place, Path):
        return str(place)
    from sqlalchemy import URL

    url = _url(place)
    told = URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database)
    return told.render_as_string()


def open_engine(place: Place) -> Engine:
    """Return an engine for the place; nothing is connected yet, but a file's folder is made."""
    return _postgres(place) if isinstance(place, str) else _sqlite(place)


def reading_engine(path: Path, *, is_full: bool = False) -> Engine:
    """Return an engine for a file that cannot be written; see connect_reading.

    Each connection is a new one: in the next moment somebody who may write it can have it open.
    """
    from sqlalchemy import NullPool, create_engine

    def connect() -> sqlite3.Connection:
        return connect_reading(path, is_full=is_full)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def forbid_writing(engine: Engine) -> None:
    """Have the database refuse every change through this engine from now on."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.read_only = True

    # Those that are open already were made without it.
    engine.dispose()


def broken(place: Place, exc: Exception) -> StoreError:
    """Return what a user is told when a database refuses: the place, the reason, the remedy."""
    kind = Unreachable if isinstance(place, str) and _is_out_of_reach(exc) else StoreError
    return kind(
        f"{shown_place(place)}: the history cannot be used: {cause_of(place, exc)}. {remedy_of(place, exc)}"
    )


def remedy_of(place: Place, exc: Exception) -> str:
    """Return what a user can do about what a database says."""
    if isinstance(place, str):
        is_away = _is_out_of_reach(exc)
        return _LET_IN if not is_away else "Start it, or let this machine reach it"
    return remedy_for(getattr(exc, "orig", None) or exc, place, elsewhere="set `history` elsewhere")


def cause_of(place: Place, exc: Exception) -> str:
    """Return the first line of what the database says, without a password."""
    text = (said_by(getattr(exc, "orig", None) or exc).strip() or type(exc).__name__).splitlines()[0]
    for secret in _secrets(place):
        text = text.replace(secret, "[redacted]")
    return text.removesuffix(".")


_LET_IN = "Mend the URL in `history`, or the rights of its user"


def _sqlite(path: Path) -> Engine:
    from sqlalchemy import URL, create_engine, event

    if path.is_dir():
        raise StoreError(
            f"{path}: the history cannot be used: it is a folder. Move it away, or set `history` to "
            "another place"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(
            f"{path}: the history cannot be used: its folder cannot be made: {exc.strerror}. "
            f"{remedy_of(path, exc)}"
        ) from exc
    arguments = {"timeout": BUSY_S, "check_same_thread": False}
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        use_wal(connection)

    return engine


def _postgres(text: str) -> Engine:
    from sqlalchemy import create_engine, event

    try:
        import psycopg  # noqa: F401 - told here, where a remedy can be named
    except ImportError as exc:
        raise UsageError(
            f"{shown_place(text)}: a history in PostgreSQL needs psycopg: pip install 'swapgate[postgres]'"
        ) from exc
    url = _url(text)
    # Statements are not prepared: what pools connections before a database often loses them.
    given = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    engine = create_engine(url, connect_args={**given, "prepare_threshold": None}, pool_size=2)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {_STATEMENT_MS}")
        connection.commit()

    return engine


def _url(text: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text).set(drivername=_DRIVER)
    except (ArgumentError, ValueError):  # its text may hold the password
        url = None
    if url is None or not _is_plain(text):
        raise UsageError(
            "history: the URL of the database cannot be read. It is postgresql://USER@HOST:PORT/DATABASE. "
            "Leave the password to PGPASSWORD or ~/.pgpass; in the URL, @ / : are written as %40 %2F %3A"
        )
    return url


def _is_plain(text: str) -> bool:
    """Whether only what stands before the host may be a password: a second `@` makes part of it the host."""
    authority = text.partition("://")[2].partition("?")[0].partition("/")[0]
    return text.count("@") == authority.count("@") <= 1


def _secrets(place: Place) -> list[str]:
    """Return what of a URL may be told to nobody, as it is written and as it is meant."""
    if isinstance(place, Path):
        return []
    url = _url(place)
    parameters = [value for name, value in url.query.items() if "pass" in name]
    found = [url.password, *parameters, place]
    return [str(secret) for secret in found if secret] + [quote(str(s), safe="") for s in found if s]


def _is_out_of_reach(exc: Exception) -> bool:
    """Whether the database may answer another time: the connection failed, and not for who asks for what."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    if not isinstance(exc, DBAPIError):
        return False
    state = getattr(exc.orig, "sqlstate", None)
    if state is None:
        text = str(exc.orig)
        is_refusal = any(word in text for word in ("authentication failed", "does not exist", "no password"))
        return isinstance(exc, (OperationalError, InterfaceError)) and not is_refusal
    # Connection lost, out of resources, being shut down or started.
    return exc.connection_invalidated or state[:2] in {"08", "53", "57"}
