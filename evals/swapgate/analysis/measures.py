"""What one trial says to each rate, and which cluster it belongs to."""

from __future__ import annotations

from swapgate.records import Trial


def cluster_of(trial: Trial) -> str:
    """Return the group of trials that count as one: the case's cluster, or the case, within its suite."""
    return f"{trial.suite}/{trial.cluster or trial.case}"


def own_answer(trial: Trial) -> bool:
    """Return whether the model under test answered itself; a fallback's answer is another model's."""
    return trial.answer is not None and not trial.answer.is_fallback


def structural_result(trial: Trial) -> bool | None:
    """Return whether the structure is right, None where it is unknown.

    A judge's failure leaves the structure known; a check's own failure does not.
    """
    if not own_answer(trial):
        return None
    if trial.error is not None and not trial.error.source.startswith("judge:"):
        return None
    return trial.structural_passed


def semantic_result(trial: Trial) -> bool | None:
    """Return whether the meaning is right, None where nothing scored it."""
    return trial.semantic_passed if own_answer(trial) else None
