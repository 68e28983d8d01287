"""The format `otel`: the run goes to a collector, and otel.json tells under which trace to find it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import StoreError
from swapgate.reporting.files import write_text
from swapgate.reporting.otel.content import wanted_content
from swapgate.reporting.otel.export import require_ready, send


class OtelReporter:
    """Sends the run, and writes what arrived as otel.json."""

    name = "otel"
    filename = "otel.json"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Send the run and return the path of otel.json; StoreError when not all of it arrived."""
        require_ready(os.environ)
        content = wanted_content(os.environ)
        sent = send(outcome, content=content)
        path = folder / self.filename
        receipt = {
            "run": outcome.run.id,
            "trace_id": sent.trace_id,
            "endpoint": sent.endpoint,
            "spans": sent.spans,
            "events": sent.events,
            "metrics": sent.metrics,
            "with_content": content.is_any,
            "failed": sent.failed,
        }
        write_text(path, json.dumps(receipt, indent=2) + "\n")
        if sent.failed:
            raise StoreError(f"report otel: {sent.said}")
        return path
