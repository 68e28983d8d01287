"""What people labelled: how many answers, by how many people. Nobody notes their minutes."""

from __future__ import annotations

from swapgate.analysis.switching import SwitchItem
from swapgate.errors import SpecError
from swapgate.reporting.format import count
from swapgate.spec.labels import read_label_lines
from swapgate.spec.settings import Settings


def labels(settings: Settings) -> SwitchItem:
    """Return the item of all judges' label files. They know no dates: the window does not hold for them."""
    files = sorted(settings.judges_dir.glob("*.labels.jsonl")) if settings.judges_dir.is_dir() else []
    rows, people, unread = 0, set(), []
    for file in files:
        try:
            written = [
                one.label for one in read_label_lines(file, settings.root).rows if not one.label.reused
            ]
        except SpecError as exc:
            unread.append(f"a file that cannot be read: {exc}")
            continue
        rows += len(written)
        people |= {label.annotator for label in written if label.annotator}
    if not rows:
        why = "no answer was labelled: `swapgate judge label RUN`"
        return SwitchItem(name="labels", usd=0.0, did_happen=False, why_unknown=(why, *unread))
    told = (
        f"{count(rows, 'label')} by {len(people) or 'unnamed'} {'person' if len(people) == 1 else 'people'}"
    )
    return SwitchItem(name="labels", usd=0.0, told=(told,), why_unknown=tuple(unread))
