"""An audit of prompts in words: what every report of it says alike."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.rates import GATE_CONFIDENCE
from swapgate.analysis.wording import confidence_percent
from swapgate.prompting.auditing.audit import Audit
from swapgate.prompting.auditing.cells import Cell, Example
from swapgate.prompting.auditing.overrides import Keep
from swapgate.prompting.auditing.shifts import ALPHA, Shift
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.findings import NAME_CHARS

_NAMES = {"structural": "structure", "semantic": "meaning", "length": "length"}
_MESSAGE_CHARS = 160


def conclusion(audit: Audit) -> str:
    """Return what the audit comes to in one sentence."""
    prompts, others = show.count(len(audit.prompts), "prompt"), audit.models[1:]
    if not others:
        return safe_text(f"{prompts} on {audit.base}: name a second model to see which of them differ")
    counts = {name: sum(c.standing == "differs" for c in audit.cells if c.model == name) for name in others}
    on = ", ".join(f"{count:,} on {name}" for name, count in counts.items())
    return safe_text(f"{len(audit.differing):,} of {prompts} differ materially from {audit.base}: {on}")


def legend(audit: Audit) -> str:
    """Return how to read the standings."""
    return (
        f"Differs: shown on the same cases, {audit.tests:,} tests corrected by Holm, so that noise alone "
        f"names any prompt in at most {ALPHA:.0%} of audits; and at least {100 * audit.floors.rate:g} "
        f"points, or answers {audit.floors.length:g} times as long or as short. Not shown is never 'no "
        f"difference'. Too few: below {audit.fewest_cases} cases not even a prompt that always fails would "
        "be shown to"
    )


def source_line(audit: Audit) -> str:
    """Return where the trials are from, and what they cost."""
    trials = show.count(audit.asked, "trial")
    bare = ", every model with the base prompt" if audit.is_bare else ""
    if audit.runs:
        runs = f"{'run' if len(audit.runs) == 1 else 'runs'} {', '.join(audit.runs)}"
        return safe_text(f"{trials} of the stored {runs}")
    return f"{trials}{bare}, {show.money(audit.paid_usd)} paid"


def cell_text(cell: Cell) -> str:
    """Return both rates of a cell as `structure/meaning` in percent."""
    return f"{rate_text(cell.structural.rate)}/{rate_text(cell.semantic.rate)}"


def rate_text(rate: float | None) -> str:
    """Return a rate in whole percent, `-` when nothing scored it."""
    return show.MISSING if rate is None else f"{100 * rate:.0f}"


def kinds_text(cell: Cell) -> str:
    """Return how often the answers of a cell failed in each way, the most frequent first."""
    ordered = sorted(cell.kinds.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{kind} {number:,}" for kind, number in ordered) or "nothing failed"


def shift_text(shift: Shift) -> str:
    """Return one shift with its interval: `structure 100.0% -> 16.7%, -83.3 points [90%: ...], p <0.001`."""
    name, p = _NAMES[shift.measure], f"p {show.p_value(shift.p_adjusted)}"
    if shift.measure == "length":
        bounds = "" if shift.low is None or shift.high is None else f" [{shift.low:.2f}, {shift.high:.2f}]"
        level = confidence_percent(GATE_CONFIDENCE)
        bounds = bounds.replace("[", f"[{level}: ")
        ratio = show.MISSING if shift.estimate is None else f"{shift.estimate:.2f}"
        return f"{name} {chars(shift.before)} -> {chars(shift.after)} characters, {ratio} times{bounds}, {p}"
    bounds = show.points_interval(shift.low, shift.high, GATE_CONFIDENCE)
    rates = f"{show.percent(shift.before)} -> {show.percent(shift.after)}"
    return f"{name} {rates}, {show.points(shift.estimate)} points {bounds}".rstrip() + f", {p}"


def chars(mean: float | None) -> str:
    """Return a mean number of characters."""
    return show.MISSING if mean is None else f"{mean:,.0f}"


def how_it_fails(cell: Cell, base: Cell | None) -> str:
    """Return the kinds of failure that a model has more of than the base, or that only lengths differ."""
    old = base.kinds if base is not None else {}
    more = [
        f"{kind} ({number:,} of {show.count(cell.trials, 'answer')}, {old.get(kind, 0):,} on the base)"
        for kind, number in sorted(cell.kinds.items(), key=lambda pair: -pair[1])
        if number > old.get(kind, 0)
    ]
    length = [shift for shift in cell.material if shift.measure == "length"]
    # Text around JSON is longer too, and no verbosity.
    if length and not any(kind.startswith(("verbosity", "format")) for kind in more):
        how = "longer" if (length[0].estimate or 1) > 1 else "shorter"
        more.append(f"verbosity ({how} by length alone: no check limits it)")
    return "; ".join(more) or "fewer failures than on the base"


def example_text(example: Example) -> str:
    """Return one failure: its case, what said so, and the instruction that it breaks."""
    message = safe_text(example.message, _MESSAGE_CHARS)
    told = f"{example.kind}: {example.suite}/{example.case}, {example.source}: {message}"
    broken = safe_text(example.instruction, _MESSAGE_CHARS)
    return safe_text(f"{told} (the instruction: {broken})" if broken else told)


def keep_text(keep: Keep) -> str:
    """Return whether an override earns its keep, and why."""
    needed = f", about {keep.needed_cases:,} independent cases would settle it" if keep.needed_cases else ""
    return safe_text(f"{keep.reason}{needed}")


def keep_shifts(keep: Keep) -> str:
    """Return what the override changes, from without it to with it."""
    return "; ".join(map(shift_text, keep.shifts)) or show.MISSING


def base_cell(audit: Audit, prompt: str) -> Cell | None:
    """Return the base model's cell of a prompt."""
    return next((c for c in audit.cells if c.prompt == prompt and c.model == audit.base), None)


def rows(audit: Audit) -> list[tuple[str, dict[str, Cell]]]:
    """Return each prompt with its cells by model: those that differ first, by name."""
    found: dict[str, dict[str, Cell]] = {}
    for cell in audit.cells:
        found.setdefault(cell.prompt, {})[cell.model] = cell
    differing = set(audit.differing)
    return sorted(found.items(), key=lambda row: (row[0] not in differing, row[0]))


def differing_cells(audit: Audit) -> list[Cell]:
    """Return the cells that differ from the base, by prompt."""
    return [cell for cell in audit.cells if cell.standing == "differs"]


def audit_lines(audit: Audit, *, verbose: int = 0) -> Iterator[str]:
    """Yield the audit for a terminal: the heat map, what differs and how, the overrides, the conclusion."""
    yield f"{source_line(audit)}. Pass rates in percent, structure/meaning"
    yield from _map(audit)
    for cell in differing_cells(audit):
        yield from _differing(audit, cell, verbose=verbose)
    yield from _overrides(audit, verbose=verbose)
    yield from _rest(audit, verbose=verbose)
    yield conclusion(audit)


def _map(audit: Audit) -> Iterator[str]:
    from swapgate.reporting.terminal.line import aligned

    header = ["", *(safe_text(name, NAME_CHARS) for name in audit.models)]
    table = [header]
    for prompt, cells in rows(audit):
        own = [_marked(cells[name]) if name in cells else show.MISSING for name in audit.models]
        table.append([safe_text(prompt, NAME_CHARS), *own])
    yield from (line.rstrip() for line in aligned(table))
    yield "* differs from the base model; ? too few cases to tell"


def _marked(cell: Cell) -> str:
    mark = {"differs": "*", "too few": "?"}.get(cell.standing, " ")
    return f"{cell_text(cell)}{mark}"


def _differing(audit: Audit, cell: Cell, *, verbose: int) -> Iterator[str]:
    yield ""
    yield safe_text(f"{cell.prompt} on {cell.model}: {how_it_fails(cell, base_cell(audit, cell.prompt))}")
    for shift in cell.shifts if verbose else cell.material:
        yield f"  {shift_text(shift)}"
    wanted = cell.examples if verbose else cell.examples[:2]
    yield from (f"  {example_text(example)}" for example in wanted)


def _overrides(audit: Audit, *, verbose: int) -> Iterator[str]:
    if audit.keeps or audit.unmatched:
        yield ""
        yield "Overrides, with and without on the same cases:"
    for keep in audit.keeps:
        said = f"{keep.prompt}, {keep.override} on {keep.model}: {keep.answer.upper()}: {keep_text(keep)}"
        yield f"  {safe_text(said)}"
        if verbose or keep.answer != "cannot tell":
            yield from (f"    {shift_text(s)}" for s in keep.shifts if verbose or s.is_material)
    for prompt, override in audit.unmatched:
        yield f"  {safe_text(f'{prompt}, {override}: not asked, none of these models gets it')}"


def _rest(audit: Audit, *, verbose: int) -> Iterator[str]:
    yield ""
    for name, why in audit.left_out:
        yield safe_text(f"left out: {name}: {why}")
    for note in audit.notes:
        yield safe_text(f"note: {note}")
    if verbose and len(audit.models) > 1:
        yield f"{legend(audit)}."
