"""`swapgate index`: from one embedding to another, one module for each kind of command."""

from __future__ import annotations

import typer

from swapgate.cli.index.answers import answers
from swapgate.cli.index.demo import demo
from swapgate.cli.index.mend import check, dead, repair, stamp
from swapgate.cli.index.move import begin, move, promote, rollback
from swapgate.cli.index.preference import preference
from swapgate.cli.index.ramp import ramp
from swapgate.cli.index.reindex import reindex
from swapgate.cli.index.status import status
from swapgate.cli.index.verify import verify

index_app = typer.Typer(help="Migrate a vector index to another embedding: config/index.yml says which.")
_COMMANDS = (
    begin,
    reindex,
    check,
    dead,
    repair,
    stamp,
    verify,
    preference,
    answers,
    status,
    move,
    ramp,
    promote,
    rollback,
    demo,
)
for command in _COMMANDS:
    index_app.command()(command)
