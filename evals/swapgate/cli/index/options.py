"""What the commands of `swapgate index` share: their options, and the file that they read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import open_settings
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.retrieval.index import Side, VectorIndex
    from swapgate.retrieval.ledger import Ledger
    from swapgate.retrieval.opening import IndexWorkspace
    from swapgate.retrieval.sources import Source
    from swapgate.retrieval.state import StateStore

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The file of the migration. Default: config/index.yml."),
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which is stored.")]
WhoOption = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who changes it. Default: the user and machine.")
]


@dataclass(slots=True)
class Opened:
    """A migration's files and state, and the indexes that were asked for so far."""

    workspace: IndexWorkspace
    store: StateStore
    _stack: ExitStack
    _indexes: dict[Side, VectorIndex] = field(default_factory=dict)

    def source(self) -> Source:
        """Open the source; the old index only when it is read, and is the source."""
        return self.workspace.source(lambda: self.index("old"))

    def ledger(self) -> Ledger:
        """Open the ledger of the new index, made where there is none."""
        from swapgate.retrieval.ledger import Ledger

        fingerprint = self.workspace.fingerprint("new")
        return Ledger(self.workspace.ledger_path, fingerprint=fingerprint, source=self.source().name)

    def existing_ledger(self) -> Ledger:
        """Open the ledger; UsageError where there is none."""
        if not self.workspace.ledger_path.is_file():
            raise UsageError("the new index was not filled from here yet: `swapgate index reindex`")
        return self.ledger()

    def index(self, side: Side) -> VectorIndex:
        """Open one side's index, or return the opened one."""
        if side not in self._indexes:
            self._indexes[side] = self._stack.enter_context(closing(self.workspace.index(side)))
        return self._indexes[side]


@contextmanager
def opened(root: Path | None, config: Path | None, **given: object) -> Iterator[Opened]:
    """Yield the migration that the file describes; everything is closed at the end.

    `given` are settings of the command line.
    """
    from swapgate.retrieval.opening import read_index_workspace

    workspace = read_index_workspace(open_settings(root, **given), config)
    with ExitStack() as stack:
        store = stack.enter_context(closing(workspace.state()))
        yield Opened(workspace, store, stack)


def warn_all(warnings: tuple[str, ...] | list[str]) -> None:
    """Print warnings on stderr."""
    from swapgate.cli.output import warn

    for text in warnings:
        warn(text)
