"""A plain CSV: a column a variable, but for `id`, `expected`, `tags`, `cluster` and `output`."""

from __future__ import annotations

from swapgate.convert.imported import Imported, ImportedCase, Output, as_variable, unique_ids
from swapgate.convert.reading import Source
from swapgate.errors import SpecError

_OWN = {"id", "expected", "tags", "cluster", "output"}


def recognises(source: Source) -> bool:
    """Whether it is a CSV file at all."""
    return source.suffix == ".csv"


def read(source: Source) -> Imported:
    """Return a case a row; tags are separated by commas."""
    rows = source.rows
    if not rows:
        raise SpecError("the file has no rows below its header", path=source.shown)
    ids = unique_ids(row.get("id", "") for _line, row in rows)
    cases = [
        ImportedCase(
            name=name,
            input={as_variable(key): value for key, value in row.items() if key not in _OWN},
            expected=row.get("expected") or None,
            tags=[tag.strip() for tag in row.get("tags", "").split(",") if tag.strip()],
            cluster=row.get("cluster") or None,
            outputs=[Output(text=row["output"])] if row.get("output") else [],
        )
        for name, (_line, row) in zip(ids, rows, strict=True)
    ]
    return Imported(name=source.path.stem, cases=cases)
