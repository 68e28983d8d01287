"""A judge's grades as files: TREC's qrels for tools, and JSON lines with the texts for people to check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from swapgate.reporting.files import write_text
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.pooling import Pooled

_TEXT_CHARS = 1000


def write_grades(path: Path, *, people: Labels, judge: Labels, pooled: Sequence[Pooled], name: str) -> None:
    """Write the labels that were used, the judge's marked with its name, and beside them those with texts.

    Both read as `qrels` of a later verification. The second column of TREC's form names who gave the grade:
    tools pass over it.
    """
    write_text(path, "".join(f"{line}\n" for line in _trec(people, judge, name)))
    lines = _with_texts(judge, pooled, name)
    write_text(path.with_suffix(".jsonl"), "".join(f"{json.dumps(one)}\n" for one in lines))


def _trec(people: Labels, judge: Labels, name: str) -> Iterator[str]:
    for query in sorted({*people.grades, *judge.grades}):
        merged = {
            **{one: (grade, f"judge:{name}") for one, grade in judge.of(query).items()},
            **{one: (grade, "0") for one, grade in people.of(query).items()},
        }
        # Tabs part the cells, so that an id may hold blanks.
        for one, (grade, who) in sorted(merged.items()):
            yield f"{query}\t{who}\t{one}\t{grade}"


def _with_texts(judge: Labels, pooled: Sequence[Pooled], name: str) -> Iterator[dict[str, object]]:
    seen: set[tuple[str, str]] = set()
    for one in sorted(pooled, key=lambda pooled: (pooled.query.id, pooled.id)):
        grade = judge.of(one.query.id).get(one.id)
        if grade is None or (one.query.id, one.id) in seen:
            continue
        seen.add((one.query.id, one.id))
        yield {
            "query_id": one.query.id,
            "doc_id": one.id,
            "grade": grade,
            "by": f"judge:{name}",
            "query": one.query.text,
            "text": one.text[:_TEXT_CHARS],
        }
