"""prompt-audit.md: the heat map as a table, what differs and how, the overrides."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.prompting.auditing.audit import Audit
from swapgate.prompting.auditing.cells import Cell
from swapgate.prompting.auditing.overrides import Keep
from swapgate.reporting import format as show
from swapgate.reporting.markdown.text import SENTENCE_CHARS, escaped, own, table
from swapgate.reporting.words import prompt_audit as words

_MOST = 500


def markdown(audit: Audit) -> str:
    """Return all of it as a page of Markdown."""
    return "\n".join(_lines(audit)) + "\n"


def _lines(audit: Audit) -> Iterator[str]:
    yield f"# {escaped(words.conclusion(audit), SENTENCE_CHARS)}"
    yield ""
    yield f"{escaped(words.source_line(audit), SENTENCE_CHARS)}. {own(words.legend(audit))}."
    yield ""
    yield "## Pass rates in percent, structure/meaning"
    yield ""
    rows = [
        [escaped(prompt), *(_cell(cells.get(name)) for name in audit.models)]
        for prompt, cells in words.rows(audit)
    ]
    yield from table(["Prompt", *map(escaped, audit.models)], rows, left=1, most=_MOST)
    if audit.differing:
        yield ""
        yield "## What differs"
    for cell in words.differing_cells(audit):
        yield from _differing(audit, cell)
    if audit.keeps:
        yield ""
        yield "## Overrides, with and without on the same cases"
        yield ""
        header = ["Prompt", "Override", "Model", "Earns its keep", "Why", "From without to with"]
        yield from table(header, [_keep(keep) for keep in audit.keeps], left=6, most=_MOST)
    yield from _rest(audit)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return show.MISSING
    text = words.cell_text(cell)
    return {"differs": f"**{text}** differs", "too few": f"{text} too few"}.get(cell.standing, text)


def _differing(audit: Audit, cell: Cell) -> Iterator[str]:
    yield ""
    yield f"### {escaped(cell.prompt)} on {escaped(cell.model)}"
    yield ""
    how = words.how_it_fails(cell, words.base_cell(audit, cell.prompt))
    yield f"{how[:1].upper()}{how[1:]}."
    yield ""
    yield from (f"- {own(words.shift_text(shift))}" for shift in cell.shifts)
    yield from (f"- {escaped(words.example_text(one), SENTENCE_CHARS)}" for one in cell.examples)


def _keep(keep: Keep) -> list[str]:
    return [
        escaped(keep.prompt),
        escaped(keep.override),
        escaped(keep.model),
        f"**{keep.answer}**",
        escaped(words.keep_text(keep), SENTENCE_CHARS),
        own(words.keep_shifts(keep)),
    ]


def _rest(audit: Audit) -> Iterator[str]:
    lines = [f"{name}: left out, {why}" for name, why in audit.left_out]
    lines += [
        f"{prompt}, {override}: none of these models gets this override"
        for prompt, override in audit.unmatched
    ]
    lines += audit.notes
    if lines:
        yield ""
        yield "## Notes"
        yield ""
        yield from (f"- {escaped(line, SENTENCE_CHARS)}" for line in lines)
