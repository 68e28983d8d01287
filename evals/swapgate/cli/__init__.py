"""The command `swapgate`: one module a command. Here: how errors become messages and exit codes."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence

from swapgate.errors import ExitCode, SwapgateError, UsageError
from swapgate.signals import ended_as_by_ctrl_c

_TYPER_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's mistake is a message on stderr, no traceback."""
    # A command is over before looking for cycles would pay: it is a tenth of what a large comparison takes.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        with ended_as_by_ctrl_c():
            return _guarded(arguments)
    finally:
        if was_collecting:
            gc.enable()


def _guarded(arguments: Sequence[str] | None) -> int:
    """Run one command with its mistakes turned into messages."""
    from typer import Abort
    from typer import TyperException as CommandLineError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except (CommandLineError, UsageError) as exc:
        return _fail(_with_hint(exc), ExitCode.USAGE_ERROR)
    except SwapgateError as exc:
        return _fail(str(exc), ExitCode.INTERNAL_ERROR)
    except (KeyboardInterrupt, Abort):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        return ExitCode.FAILED
    except (OSError, ValueError) as exc:
        message = _mistake(exc, arguments)
        if message is None:
            raise
        return _fail(message, ExitCode.USAGE_ERROR)


def _mistake(exc: Exception, arguments: Sequence[str] | None) -> str | None:
    """Return what an argument did wrong that shows only where it is used; None when it is a bug of ours.

    A name that no file can have, or a folder that may not be looked into, fails where it is met first; bytes
    that are no UTF-8 do in SQLite or pydantic, both with a ValueError.
    """
    if isinstance(exc, OSError):
        where = None if exc.filename is None else f"{os.fsdecode(exc.filename)!r}: {exc.strerror}"
        return where and f"{where}. Name another place, or mend this one"
    broken = [one for one in _given(arguments) if not _is_text(one)]
    return f"{broken[0]!r} is no text in UTF-8: write it anew" if broken else None


def _given(arguments: Sequence[str] | None) -> Sequence[str]:
    return sys.argv[1:] if arguments is None else arguments


def _is_text(argument: str) -> bool:
    """Return whether an argument is more than bytes that Python could make no text of."""
    return not any("\udc80" <= one <= "\udcff" for one in argument)


def _run(arguments: Sequence[str] | None) -> int:
    from swapgate.cli.app import build_command

    code = build_command().main(list(_given(arguments)), prog_name="swapgate", standalone_mode=False)
    sys.stdout.flush()
    if code == _TYPER_INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else ExitCode.OK


def _fail(message: str, code: ExitCode) -> int:
    sys.stderr.write(f"swapgate: error: {message}\n")
    return code


def _with_hint(exc: Exception) -> str:
    """Return a command line mistake as one sentence, with the command whose help explains it."""
    message = exc.format_message() if hasattr(exc, "format_message") else str(exc)
    context = getattr(exc, "ctx", None)
    if context is None:
        return message
    return f"{message}{'' if message.endswith(('.', '?', ')')) else '.'} See `{context.command_path} --help`"


def _silence_stdout() -> None:
    # The interpreter flushes stdout once more at its end, into the pipe that nobody reads.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
