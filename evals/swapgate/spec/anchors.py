"""A judge's anchors: answers with the verdicts that it gave, frozen in `judges/NAME.anchors.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from swapgate.errors import SpecError, UsageError
from swapgate.records import Json, Message, ToolCall, content_hash
from swapgate.spec.json_lines import read_rows
from swapgate.spec.source import shown_path
from swapgate.spec.suite import Written
from swapgate.values import Value


class Reading(Written):
    """What the judge said of an anchor, one time that it was asked."""

    passed: bool
    scores: dict[str, float] = Field(default_factory=dict)


class Anchor(Written):
    """One answer as it was judged: all that the judge is shown, and what it said each time.

    `judge_hash` is that of the judge's definition, `served` the ids that its model was served as.
    """

    suite: str
    case: str
    cluster: str | None = None
    input: dict[str, Json] = Field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    expected: Json = None
    output: str
    tool_calls: tuple[ToolCall, ...] = ()
    readings: Annotated[tuple[Reading, ...], Field(min_length=1)]
    judge_hash: str
    served: tuple[str, ...] = ()


class AnchorSet(Value):
    """The anchors of one judge. `content_hash` tells one set from another."""

    path: Path
    anchors: tuple[Anchor, ...]

    @property
    def content_hash(self) -> str:
        """The hash of all of them."""
        return content_hash([anchor.model_dump(mode="json") for anchor in self.anchors])

    @property
    def served(self) -> tuple[str, ...]:
        """The ids that the judge's model was served as when they were frozen."""
        return tuple(sorted({name for anchor in self.anchors for name in anchor.served}))


def anchors_path(judges_dir: Path, judge: str) -> Path:
    """Return where a judge's anchors stand."""
    return judges_dir / f"{judge}.anchors.jsonl"


def read_anchors(
    judges_dir: Path, judge: str, *, definition_hash: str, root: Path | None = None
) -> AnchorSet:
    """Return a judge's anchors; UsageError where there are none, SpecError where one is another judge's."""
    path = anchors_path(judges_dir, judge)
    shown = shown_path(path, root)
    if not path.is_file():
        raise UsageError(
            f"no {shown}: `swapgate judge anchor {judge} --from RUN` freezes answers of a run, with verdicts"
        )
    rows = list(read_rows(Anchor, path, noun="an anchor", root=root))
    if not rows:
        raise SpecError("there is no anchor in it: remove the file and freeze some", path=shown)
    for line, anchor in rows:
        if anchor.judge_hash != definition_hash:
            raise SpecError(
                f"the judge {judge!r} has changed since these anchors were frozen: that would be no drift. "
                f"Freeze them anew with `swapgate judge anchor {judge} --from RUN --force`",
                path=shown,
                line=line,
            )
    return AnchorSet(path=path, anchors=tuple(anchor for _line, anchor in rows))


def anchors_text(anchors: Iterable[Anchor]) -> str:
    """Return the anchors as the lines of their file."""
    kept: Sequence[str] = [anchor.model_dump_json(exclude_defaults=True) for anchor in anchors]
    return "".join(f"{line}\n" for line in kept)
