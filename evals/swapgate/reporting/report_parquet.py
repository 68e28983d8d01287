"""trials.parquet: one row a trial, with the columns and types of `run.to_frame()`. Needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.reporting.files import atomic_file, whole
from swapgate.reporting.report_csv import in_rows

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

_ROWS_AT_ONCE = 10_000
_TYPES = {"string": "string", "Int64": "int64", "Float64": "double", "boolean": "bool"}


class ParquetReporter:
    """Writes trials.parquet; `write_reports` has made sure that there is a pyarrow."""

    name = "parquet"
    filename = "trials.parquet"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write trials.parquet into the folder and return its path."""
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet

        facts = in_rows(outcome.facts)
        columns = trial_columns(facts)
        fields = [(whole(name), pa.type_for_alias(_TYPES[kind])) for name, kind in columns.items()]
        schema = pa.schema(fields, metadata={"swapgate.run": outcome.run.id})
        path = folder / self.filename
        with atomic_file(path) as stream, parquet.ParquetWriter(stream, schema) as writer:
            for start in range(0, len(facts), _ROWS_AT_ONCE):
                rows = [trial_row(one) for one in facts[start : start + _ROWS_AT_ONCE]]
                cells = [[_cell(row.get(name)) for row in rows] for name in columns]
                arrays = [pa.array(c, field.type) for c, field in zip(cells, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        return path


def _cell(value: Any) -> Any:
    return whole(value) if isinstance(value, str) else value
