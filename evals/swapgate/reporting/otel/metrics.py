"""What the calls of a run took, as the conventions' histograms, and its rates as gauges."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from swapgate.analysis.outcome import RunOutcome
from swapgate.records import Answer, Json, ModelIdentity, Trial
from swapgate.reporting.otel import names
from swapgate.reporting.otel.calls import whom
from swapgate.reporting.otel.signals import known

# The conventions' boundaries, so that histograms of other programs can be added to these.
SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(4**power for power in range(14))
BOUNDS: Mapping[str, Sequence[float]] = {
    names.DURATION: SECONDS,
    names.FIRST_CHUNK: SECONDS,
    names.TOKEN_USAGE: TOKENS,
}
RATE = "swapgate.rate"
UNITS = {names.DURATION: "s", names.FIRST_CHUNK: "s", names.TOKEN_USAGE: "{token}", RATE: "1"}


@dataclass(slots=True, kw_only=True)
class Series:
    """The values of one histogram that share their attributes, as counts between its boundaries."""

    bounds: Sequence[float]
    attributes: Mapping[str, Json]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value; a boundary belongs to the bucket below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


class CallMetrics:
    """Histograms of the calls that were made in a run: what came from the cache took nothing of it."""

    def __init__(self, by_name: Mapping[str, ModelIdentity]) -> None:
        self._by_name = by_name
        self._series: dict[tuple[str, tuple[tuple[str, Json], ...]], Series] = {}

    def add(self, trial: Trial) -> None:
        """Count the calls of one trial."""
        answers = [*([trial.answer] if trial.answer else []), *(a for v in trial.verdicts for a in v.answers)]
        for answer in answers:
            if not answer.from_cache:
                self._add_call(answer)

    @property
    def histograms(self) -> dict[str, list[Series]]:
        """The series of each metric."""
        found: dict[str, list[Series]] = {}
        for (name, _attributes), series in self._series.items():
            found.setdefault(name, []).append(series)
        return found

    def _add_call(self, answer: Answer) -> None:
        response = answer.response
        about = whom(self._by_name.get(answer.model), answer.model)
        about[names.RESPONSE_MODEL] = response.model_served
        self._put(names.DURATION, response.latency_s, about)
        self._put(names.FIRST_CHUNK, response.ttft_s, about)
        self._put(names.TOKEN_USAGE, response.usage.tokens_in, {**about, names.TOKEN_TYPE: "input"})
        self._put(names.TOKEN_USAGE, response.usage.tokens_out, {**about, names.TOKEN_TYPE: "output"})

    def _put(self, name: str, value: float | None, about: Mapping[str, Json]) -> None:
        if value is None:
            return
        attributes = known(about)
        key = name, tuple(attributes.items())
        if key not in self._series:
            self._series[key] = Series(bounds=BOUNDS[name], attributes=attributes)
        self._series[key].add(value)


def rates(outcome: RunOutcome) -> Iterator[tuple[float, dict[str, Json]]]:
    """Yield each rate of each model, over all suites and by suite."""
    for summary in outcome.summaries:
        if summary.prompt is not None or summary.tag is not None:
            continue
        about: dict[str, Json] = {
            "swapgate.model": summary.model,
            "swapgate.role": summary.role,
            names.SUITE: summary.suite,
        }
        measured = {
            "structural": summary.structural.rate,
            "semantic": summary.semantic.rate,
            "blind_pass": summary.blind_pass.rate,
        }
        yield from _measured(measured.items(), about)


def _measured(
    measured: Iterable[tuple[str, float | None]], about: Mapping[str, Json]
) -> Iterator[tuple[float, dict[str, Json]]]:
    for measure, rate in measured:
        if rate is not None:
            yield rate, known({**about, "swapgate.measure": measure})
