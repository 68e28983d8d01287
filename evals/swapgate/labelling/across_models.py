"""Does a judge err alike for every model, so that the labels of one may speak for another."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.labelling.evidence import CONFIDENCE, SEED, Evidence
from swapgate.labelling.measured import Section, Table
from swapgate.reporting.format import percent
from swapgate.stats.between_models import BetweenModels, errors_between_models
from swapgate.stats.interval import Interval


def between_models(evidence: Evidence) -> Section:
    """Return whether the judge errs alike on the responses of several models."""
    models = [row.model for row in evidence.rows]
    found = errors_between_models(evidence.labels, models, seed=SEED, confidence=CONFIDENCE)
    rows = []
    for model in evidence.calibration.models:
        labels = evidence.calibration.labels_of(model)
        if labels is not None:
            rows.append((model, str(len(labels)), *map(_shown, labels.correcting_shares())))
    by_label = evidence.calibration.spec.design == "by_label"
    given = (
        ("passes of truly right", "passes of truly wrong")
        if by_label
        else (
            "truly right where it passes",
            "truly right where it fails",
        )
    )
    return Section(
        key="between_models",
        title="Does it err alike for every model",
        lines=tuple(_said(found, evidence)),
        table=Table(header=("model", "labels", *given), rows=tuple(rows)) if rows else None,
        facts={"p_value": found.p_value, "models": list(found.models)},
    )


def _said(found: BetweenModels, evidence: Evidence) -> Iterator[str]:
    if found.p_value is None:
        yield f"not tested: {found.note}. Whether its errors are the same for another model is not known"
        return
    if found.p_value < 0.05:
        yield (
            f"its errors differ between models (p {found.p_value:.3f}): labels of one do not speak for "
            "another. Label at least 20 responses of each model that is compared"
        )
    else:
        yield (
            f"no difference of its errors between models was found (p {found.p_value:.3f}): "
            "that is no proof that there is none"
        )
    if (widest := found.widest) is not None:
        low, high = widest.difference.low, widest.difference.high
        given = "passes" if widest.given else "fails"
        kind = "truth" if evidence.calibration.spec.design == "by_label" else "verdict"
        yield (
            f"furthest apart: {widest.first} and {widest.second} where the {kind} "
            f"{given}: {100 * (widest.difference.estimate or 0):+.1f} points "
            f"[{100 * (low or 0):+.1f}, {100 * (high or 0):+.1f}]"
        )


def _shown(share: Interval) -> str:
    if share.estimate is None:
        return "-"
    bounds = (
        "" if share.low is None or share.high is None else f" [{100 * share.low:.1f}, {100 * share.high:.1f}]"
    )
    return f"{percent(share.estimate)}{bounds}"
