"""The key `verify` of `config/index.yml`: queries with labels, what is measured of both indexes, margins."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from swapgate.spec.suite import Written

SHADOW = "shadow"
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Margin = Annotated[float, Field(gt=0, lt=1)]


def _metrics(written: dict[str, float | None]) -> dict[str, float | None]:
    """Refuse a measure without a cutoff: of results that were not asked for it knows nothing."""
    if not written:
        raise ValueError("must name at least one measure, as nDCG@10")
    for name in written:
        measure, _, cutoff = name.rpartition("@")
        if not measure or not cutoff.isascii() or not cutoff.isdigit() or int(cutoff) < 1:
            raise ValueError(
                f"must be measures of ir-measures with a cutoff, as nDCG@10 or R@100, got {name!r}"
            )
    return written


Metrics = Annotated[dict[str, Margin | None], AfterValidator(_metrics)]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SliceVerify(Written):
    """How slices are decided on: `by` are fields of the queries; every one of them must hold."""

    by: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ("slice",)
    min_queries: Count = 30
    margin: Margin | None = 0.1


class PreferenceVerify(Written):
    """How clicks on interleaved lists decide: by how much the new index may win less than half of them."""

    margin: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    min_lists: Count = 100


class VerifyEntry(Written):
    """What `swapgate index verify` asks and decides by.

    `metrics` names measures as ir-measures does, each with the loss that is tolerated; null only shows it.
    A judge grades what `qrels` says nothing of.
    """

    queries: Name | None = None
    qrels: Name | None = None
    judge: Name | None = None
    checked: Annotated[int, Field(ge=0)] = 100
    grades: Name | None = None
    k: Count = 10
    depth: Count = 100
    metrics: Metrics = Field(
        default_factory=lambda: {"nDCG@10": 0.05, "R@10": 0.05, "Success@10": None, "RR@10": None}
    )
    relevant_from: Count | None = None
    documents: bool | None = None
    min_queries: Count = 60
    slices: SliceVerify = Field(default_factory=SliceVerify)
    preference: PreferenceVerify = Field(default_factory=PreferenceVerify)
    cluster: Name | None = None
    looks: Count = 1
    limit: Count | None = None
    max_errors: Share = 0.05
    concurrency: Count = 4
    seed: int = 0

    @model_validator(mode="after")
    def _is_deep_enough(self) -> Self:
        if self.depth < self.deepest:
            raise ValueError(f"must ask for as many results as are measured: `depth: {self.deepest}`")
        return self

    def with_given(
        self,
        *,
        queries: str | None = None,
        qrels: str | None = None,
        judge: str | None = None,
        limit: int | None = None,
    ) -> Self:
        """Return what is written, with what a command line names in its place."""
        named = {"queries": queries, "qrels": qrels, "judge": judge, "limit": limit}
        update: dict[str, object] = {key: value for key, value in named.items() if value is not None}
        if queries is not None:
            # The labels that are written belong to the queries that are.
            update["qrels"] = qrels
        return self.model_copy(update=update)

    @property
    def deepest(self) -> int:
        """How many results are looked at, k and every measure together: so many are graded."""
        return max(self.k, *(cutoff_of(name) for name in self.metrics))


def cutoff_of(metric: str) -> int:
    """Return how many results a measure looks at."""
    return int(metric.rpartition("@")[2])
