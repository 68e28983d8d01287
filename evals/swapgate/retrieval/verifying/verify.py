"""One verification from the queries to the stored evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from swapgate.records import Json, to_json
from swapgate.retrieval.arms import Arm
from swapgate.retrieval.index import SIDES, Side, Vector, VectorIndex
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.phases import Migration
from swapgate.retrieval.records import VERIFICATION
from swapgate.retrieval.state import StateStore, now_text
from swapgate.retrieval.verifying.asking import Asked, Depth, Draw, ask_both, opened_arms
from swapgate.retrieval.verifying.deciding import decide
from swapgate.retrieval.verifying.doubting import doubts, notes, too_many_errors
from swapgate.retrieval.verifying.facts import side_facts, worst_queries
from swapgate.retrieval.verifying.filling import filled_labels
from swapgate.retrieval.verifying.held import missing_relevant, relevant_ids
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.percentiles import random_scores
from swapgate.retrieval.verifying.preparing import Prepared, prepare
from swapgate.retrieval.verifying.scoping import Measured, scopes
from swapgate.retrieval.verifying.valuing import counted, values_of
from swapgate.retrieval.verifying.verification import Graded, Scope, Verification
from swapgate.spec.index_verify import VerifyEntry
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.engine.runner import Progress

Arms = Mapping[Side, Arm]


def verify(
    workspace: IndexWorkspace,
    store: StateStore,
    migration: Migration,
    settings: VerifyEntry | None = None,
    *,
    index: Callable[[Side], VectorIndex] | None = None,
    draw: Draw = lambda _what, _done, _all: None,
    draw_judge: Callable[[Progress], None] = lambda _progress: None,
) -> Verification:
    """Ask both indexes, measure, decide, store the decision as evidence, and return it.

    `settings` are those of the file where none are given; `index` returns indexes that are open already, else
    they are opened and closed here. `max_cost` of the workspace's settings bounds what each embedding and the
    judge may cost.

    Raises UsageError (files, labels, judge, the embeddings' price), FingerprintError, StoreError.
    """
    prepared = prepare(workspace, store, workspace.file.verify if settings is None else settings)
    with opened_arms(workspace, index) as arms:
        # Before anything is paid: people's labels may be of another collection.
        people = relevant_ids(prepared.queries, prepared.people, relevant_from=prepared.relevant_from)
        missing = missing_relevant(arms, people, documents=prepared.documents)
        asked = ask_both(
            arms,
            prepared.queries,
            Depth(
                results=prepared.settings.depth,
                texts=prepared.settings.deepest,
                documents=prepared.documents,
            ),
            concurrency=prepared.settings.concurrency,
            max_errors=prepared.settings.max_errors,
            draw=draw,
        )
        labels, graded = filled_labels(workspace, prepared, asked, draw_judge)
        found = concluded(migration, prepared, arms, asked, labels=labels, graded=graded, missing=missing)
    record = cast("Mapping[str, Json]", to_json(found))
    store.add_evidence(
        migration.name, VERIFICATION, version=migration.version, passed=found.passed, record=record
    )
    return found


def concluded(
    migration: Migration,
    prepared: Prepared,
    arms: Arms,
    asked: Sequence[Asked],
    *,
    labels: Labels,
    graded: Graded | None,
    missing: Mapping[Side, int],
) -> Verification:
    """Return what follows from the answers of both indexes and the labels."""
    settings, relevant_from = prepared.settings, prepared.relevant_from
    kept = counted(asked, labels, relevant_from=relevant_from)
    values = values_of(kept.asked, labels, settings, relevant_from=relevant_from)
    pairs = {
        side: random_scores(arms[side].index, _vectors(asked, side), seed=settings.seed) for side in SIDES
    }
    found: list[Scope] = scopes(
        Measured(asked=asked, counted=kept.asked, values=values, settings=settings, random_pairs=pairs)
    )
    errors = list(too_many_errors(prepared, asked, graded))
    verdict, reasons = decide(found, doubts=[*errors, *doubts(prepared, graded)])
    left_out = replace(kept.left_out, without_labels=kept.left_out.without_labels + prepared.without_labels)
    return Verification(
        migration=migration.name,
        version=migration.version,
        at=now_text(),
        verdict=verdict,
        reasons=reasons,
        labels=prepared.source,
        k=settings.k,
        relevant_from=relevant_from,
        asked=len(asked),
        too_many_errors=bool(errors),
        overall=found[0],
        slices=tuple(found[1:]),
        old=side_facts("old", arms["old"], asked, missing=missing["old"]),
        new=side_facts("new", arms["new"], asked, missing=missing["new"]),
        left_out=left_out,
        graded=graded,
        worst=worst_queries(kept.asked, values, labels, settings),
        notes=tuple(notes(prepared, asked, missing)),
    )


def _vectors(asked: Sequence[Asked], side: Side) -> list[Vector]:
    return [vector for one in asked if (vector := one.side(side).vector) is not None]
