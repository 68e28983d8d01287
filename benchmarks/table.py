"""What every benchmark shares: a row with its goal, the printed table, the options `--quick` and `--json`."""

from __future__ import annotations

import argparse
import json
import operator
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measured value against its limit (`<= 0.07`, `>= 0.93`); `beside` are other methods' values."""

    goal: str
    value: float
    limit: str
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the value keeps the limit."""
        relation, _, bound = self.limit.partition(" ")
        return bool(_RELATIONS[relation](self.value, float(bound)))


def main(measure: Callable[..., Iterable[Row]], *, description: str) -> int:
    """Measure, print each row as it comes, write the JSON; 1 when a limit was not kept."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a short form, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    print("| goal | value | limit | ok | beside |\n| --- | ---: | ---: | --- | --- |", flush=True)
    rows = []
    for row in measure(quick=options.quick):
        rows.append(row)
        print(_line(row), flush=True)
    print(f"\n{sum(row.ok for row in rows)} of {len(rows)} kept, {time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([_plain(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.ok for row in rows) else 1


def _line(row: Row) -> str:
    beside = ", ".join(f"{name} {value:.4g}" for name, value in row.beside.items())
    return f"| {row.goal} | {row.value:.4g} | {row.limit} | {'yes' if row.ok else '**no**'} | {beside} |"


def _plain(row: Row) -> dict[str, object]:
    """Return the row as JSON: `beside` is there when there are other values."""
    plain = {"goal": row.goal, "value": float(row.value), "limit": row.limit, "ok": row.ok}
    beside = {name: float(value) for name, value in row.beside.items()}
    return plain | ({"beside": beside} if beside else {})


def run(measure: Callable[..., Iterable[Row]], *, description: str) -> None:
    """Run a benchmark's script to its exit code."""
    sys.exit(main(measure, description=description))
