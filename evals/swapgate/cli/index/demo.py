"""`swapgate index demo`: one migration that is rolled back and one that goes through, command by command."""

from __future__ import annotations

import io
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption
from swapgate.cli.output import print_json, shown
from swapgate.errors import ExitCode, SwapgateError, UsageError
from swapgate.values import Value

_FOLDER = Path("swapgate-demo")
_NEEDED = ("wordllama", "sqlite_vec", "apsw", "ir_measures")
INSTALL = "pip install 'swapgate[retrieval]'"


class Told(Value):
    """One step: what it is for, what was typed, what it printed and ended with."""

    note: str
    command: str
    output: str
    exit_code: int
    seconds: float


class Scene(Value, kw_only=False):
    """A step of the story before it is run; `ends` is what the command must end with."""

    note: str
    command: str
    ends: ExitCode = ExitCode.OK


def _until_canary(config: str, why: str) -> list[Scene]:
    """Return the way of every migration up to its first share."""

    def index(command: str, note: str = "") -> Scene:
        return Scene(note, f"swapgate index {command} --config {config}")

    return [
        index(f"begin --why '{why}'", "a migration begins, and soon both indexes are written"),
        index("move dual_write --why 'both are written'"),
        index("move backfill --why 'every router knows'"),
        index("reindex", "the new index is filled and examined"),
        index("move verify --why filled"),
        index("move shadow_read --why examined"),
        Scene(
            "customers ask; the new index is asked as well, and nobody sees its answers",
            f"python traffic.py {config} 300",
        ),
    ]


def _story() -> list[Scene]:
    from swapgate.retrieval.demo.folder import MASKED, WHOLE

    def index(command: str, config: str, note: str = "", ends: ExitCode = ExitCode.OK) -> Scene:
        return Scene(note, f"swapgate index {command} --config {config}", ends)

    def traffic(config: str, number: int, note: str = "") -> Scene:
        return Scene(note, f"python traffic.py {config} {number}")

    return [
        *_until_canary(MASKED, "names are not to be embedded"),
        index(
            "ramp --dry-run", MASKED, "what would be done? a dry run verifies nothing", ExitCode.INCONCLUSIVE
        ),
        index(
            "ramp", MASKED, "hardly a question about drugs has a label: nothing is proven, so 5% at the most"
        ),
        traffic(MASKED, 3000, "5% of the customers have the new index"),
        Scene("what they asked is labelled", "python label.py 26"),
        index("verify", MASKED, "the mean is better, and one slice is much worse", ExitCode.FAILED),
        index("ramp", MASKED, "so the ramp takes it back", ExitCode.ROLLBACK),
        traffic(MASKED, 200, "the old index serves everybody again"),
        index("status --html masked.html", MASKED),
        *_until_canary(WHOLE, "longer vectors, of whole texts"),
        index("ramp", WHOLE, "another embedding, another migration; the labels are there"),
        traffic(WHOLE, 3000),
        index("ramp", WHOLE),
        traffic(WHOLE, 600),
        index("ramp", WHOLE),
        traffic(WHOLE, 400),
        index("ramp", WHOLE),
        traffic(WHOLE, 200),
        index("ramp", WHOLE, "promoted is a stage too: it is looked at until it has held"),
        index("status --html whole.html", WHOLE),
    ]


def demo(
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="The folder to lay it in. Default: swapgate-demo."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Migrate a small index twice: one embedding is rolled back at 5% for one slice, another goes through.

    Offline, in a folder that stays to be looked at. Each step is the command that you would type.
    """
    from swapgate.retrieval.demo import lay

    _require_installed()
    folder = (to or _FOLDER).absolute()
    lay(folder)
    told, place = [], shown(folder)
    if not as_json:
        typer.echo(f"$ cd {place}")
    with chdir(folder):
        for scene in _story():
            step = _run(scene)
            told.append(step)
            if not as_json:
                _print(step)
            if step.exit_code != scene.ends:
                raise SwapgateError(
                    f"{step.command}: ended with {step.exit_code}, and {int(scene.ends)} was expected. "
                    f"Look at {place}, and tell us"
                )
    if as_json:
        print_json([asdict(one) for one in told])
    else:
        typer.echo(f"\n# all of it lies in {place}: masked.html and whole.html show both migrations")
    return ExitCode.OK


def _require_installed() -> None:
    """Raise UsageError before anything is laid where a library is missing."""
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the demo needs {', '.join(missing)}. Run: {INSTALL}")


def _run(scene: Scene) -> Told:
    """Run one step in this process, which would else start anew each time."""
    import shlex

    program, *arguments = shlex.split(scene.command)
    started = time.perf_counter()
    with redirect_stdout(io.StringIO()) as printed:
        code = _run_python(arguments) if program == "python" else _run_swapgate(arguments)
    return Told(
        note=scene.note,
        command=scene.command,
        output=printed.getvalue(),
        exit_code=int(code),
        seconds=time.perf_counter() - started,
    )


def _run_swapgate(arguments: Sequence[str]) -> int:
    from swapgate.cli import main

    return main(arguments)


def _run_python(arguments: Sequence[str]) -> int:
    with _arguments(arguments):
        runpy.run_path(arguments[0], run_name="__main__")
    return ExitCode.OK


@contextmanager
def _arguments(arguments: Sequence[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = list(arguments)
    try:
        yield
    finally:
        sys.argv = before


def _print(step: Told) -> None:
    note = f"\n# {step.note}" if step.note else ""
    typer.echo(f"{note}\n$ {step.command}\n{step.output.rstrip()}")
    if step.exit_code:
        typer.echo(f"(exit code {step.exit_code})")
