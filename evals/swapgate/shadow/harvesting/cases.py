"""Disagreements as YAML cases: what was asked, both answers as comments; what is right is not invented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from swapgate.records import Json, Message, ToolCall, content_hash, turn_of
from swapgate.reporting.text import visible
from swapgate.shadow.deciding.pairs import Pair
from swapgate.shadow.harvesting.grouping import Group
from swapgate.shadow.redaction import Redactor

HEAD = """\
# Disagreements from real traffic, for a person to label: write `expected` for each, or delete it.
# The suite takes them with `cases_from`. What stands behind # is what the two models answered.
"""
_MOST_LINES = 30
_WIDTH = 100


def case_id(pair: Pair) -> str:
    """Return the case's name: the same for the same exchange, however often it is harvested."""
    return f"shadow-{content_hash([pair.route, pair.key])[:10]}"


def case_text(group: Group, messages: Sequence[Message], redactor: Redactor) -> str:
    """Return one case as the text of a YAML list's item."""
    pair = group.pair
    case: dict[str, Any] = {
        "id": case_id(pair),
        "tags": ["shadow", *(f"differs:{aspect}" for aspect in pair.differs_in), *pair.slices],
        "messages": [_turn(one, redactor) for one in messages],
    }
    dumped = yaml.safe_dump([case], sort_keys=False, allow_unicode=True, width=_WIDTH)
    return "\n".join([*_comments(group, redactor), dumped])


def _turn(message: Message, redactor: Redactor) -> Json:
    turn = turn_of(message, [_call(call, redactor) for call in message.tool_calls])
    return {**turn, "content": redactor.text(message.content)}


def _call(call: ToolCall, redactor: Redactor) -> Json:
    written: dict[str, Json] = {"name": call.name, "arguments": redactor.text(call.arguments)}
    return {**written, "id": call.id} if call.id else written


def _comments(group: Group, redactor: Redactor) -> Iterator[str]:
    pair = group.pair
    more = f", and {len(group.pairs) - 1:,} like it" if len(group.pairs) > 1 else ""
    yield f"# {pair.at[:19]}, {', '.join(pair.differs_in) or 'the judge'}{more}"
    for who, text in (("control", pair.control), ("candidate", pair.candidate)):
        yield f"# {who} answered:"
        lines = visible(redactor.text(text or "")).splitlines() or [""]
        yield from (f"#   {line}".rstrip() for line in lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            yield f"#   ... {len(lines) - _MOST_LINES:,} more lines"
