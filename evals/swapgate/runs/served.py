"""What the services say of the models behind their names, gathered while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from swapgate.records import Answer, Run, ServedModel, Trial


@dataclass(slots=True)
class _Seen:
    ids: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    answers: int = 0


class ServedSeen:
    """The served ids and fingerprints of a run's answers, by model and judge. For one thread at a time."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str | None], _Seen] = {}

    def add(self, trial: Trial) -> None:
        """Note what one trial's answers tell; an answer that several judges read counts for each."""
        for judge, answer in _answers(trial):
            seen = self._seen.setdefault((answer.model, judge), _Seen())
            seen.answers += 1
            if answer.response.model_served:
                seen.ids.add(answer.response.model_served)
            if answer.response.fingerprint:
                seen.fingerprints.add(answer.response.fingerprint)

    def add_seen(self, served: ServedModel) -> None:
        """Note what another part of the run has seen."""
        seen = self._seen.setdefault((served.model, served.judge), _Seen())
        seen.answers += served.answers
        seen.ids.update(served.ids)
        seen.fingerprints.update(served.fingerprints)

    def models(self) -> tuple[ServedModel, ...]:
        """Return what was seen, sorted by judge and model; the models under test come first."""
        return tuple(
            ServedModel(
                model=model,
                judge=judge,
                ids=tuple(sorted(seen.ids)),
                fingerprints=tuple(sorted(seen.fingerprints)),
                answers=seen.answers,
            )
            for (model, judge), seen in sorted(
                self._seen.items(), key=lambda one: (one[0][1] or "", one[0][0])
            )
        )


def merged_served(runs: Iterable[Run]) -> tuple[ServedModel, ...]:
    """Return what the services said in several parts of one run, put together."""
    seen = ServedSeen()
    for run in runs:
        for one in run.served:
            seen.add_seen(one)
    return seen.models()


def _answers(trial: Trial) -> Iterator[tuple[str | None, Answer]]:
    if trial.answer is not None:
        yield None, trial.answer
    for verdict in trial.verdicts:
        for answer in verdict.answers:
            yield verdict.judge, answer
