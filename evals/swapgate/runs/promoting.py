"""A stored run made the baseline of a name, and written to a file that may live in git."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.here import who_works
from swapgate.memory.history import History
from swapgate.records import PromotedRun, Run
from swapgate.runs.baseline_file import write_baseline
from swapgate.runs.manifest import now
from swapgate.runs.stored import one_model, parted, why_incomplete
from swapgate.spec.settings import Settings
from swapgate.values import Value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Promotion(Value):
    """A promoted run with what its trials came to; `before` had the name until now."""

    promoted: PromotedRun
    run: Run
    facts: Sequence[Facts]
    before: PromotedRun | None


def promote(
    wanted: str, history: History, settings: Settings, *, name: str, why: str, by: str | None
) -> Promotion:
    """Make a run of the history the baseline of a name; `wanted` is its id, `latest` or `MODEL@RUN`.

    One that is it already stays as it was promoted, unless somebody says anew who or why.

    Raises UsageError for a run that is partial or not complete, or of several models where none is named.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r} is none: letters, digits, `_`, `.` and `-`, at most 64 of them")
    model, run_id = parted(wanted, settings)
    run = history.find(run_id)
    if reason := why_incomplete(run):
        raise UsageError(f"run {run.id} cannot be a baseline: {reason}. Choose a complete run")
    stored = one_model(run, history.facts(run.id), model=model)
    before = next((one for one in history.baselines() if one.name == name), None)
    is_it = before is not None and (before.run_id, before.model) == (run.id, stored.model)
    if before is not None and is_it and not why and by is None:
        return Promotion(promoted=before, run=run, facts=stored.facts, before=before)
    promoted = PromotedRun(
        name=name,
        run_id=run.id,
        model=stored.model,
        promoted_at=now(),
        promoted_by=by or who_works(settings.root),
        why=why,
    )
    history.promote(promoted)
    return Promotion(promoted=promoted, run=run, facts=stored.facts, before=before)


def write_promotion(promotion: Promotion, history: History, file: Path, *, with_texts: bool) -> None:
    """Write the baseline's file: what its trials came to, and with `with_texts` the trials too."""
    own = promotion.promoted
    trials = history.trials(own.run_id, model=own.model) if with_texts else ()
    write_baseline(file, own, promotion.run, promotion.facts, trials=trials)
