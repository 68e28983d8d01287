"""The demo's folder: documents, labels, two files of migrations, and the index as it was before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.retrieval.demo.corpus import GENERAL, MEDICAL, Question, documents, questions
from swapgate.retrieval.embedding.local import open_local
from swapgate.retrieval.index import TEXT
from swapgate.retrieval.opening import read_index_workspace
from swapgate.spec.settings import resolve_settings

MASKED, WHOLE = "config/masked.yml", "config/whole.yml"
# Where each file of `files/` goes.
_FILES = {
    "masked.yml": MASKED,
    "whole.yml": WHOLE,
    "names.py": "names.py",
    "traffic.py": "traffic.py",
    "label.py": "label.py",
    "pyproject.toml": "pyproject.toml",
}
# What somebody labelled before the migration: hardly a question about a drug, as it is with such files.
_FIRST_MEDICAL = 4


def lay(folder: Path) -> None:
    """Write the demo into a folder, with the old index filled; UsageError where something lies in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: something is there already. Name another folder with --to")
    for name, target in _FILES.items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((files(__package__ or "") / "files" / name).read_text("utf-8"), encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    _write(data / "documents.jsonl", ({"id": one.id, "text": one.text} for one in documents()))
    _write(data / "questions.jsonl", (_row(one) | {"document": one.document} for one in questions()))
    label(folder, _labelled_before())
    _fill_old(folder)


def label(folder: Path, labelled: Iterable[Question]) -> None:
    """Add questions with the document that answers them to what `verify` reads."""
    data = folder / "data"
    with (
        (data / "queries.jsonl").open("a", encoding="utf-8") as queries,
        (data / "qrels.tsv").open("a", encoding="utf-8") as qrels,
    ):
        for one in labelled:
            queries.write(json.dumps(_row(one)) + "\n")
            qrels.write(f"{one.id}\t{one.document}\t1\n")


def _labelled_before() -> list[Question]:
    general = [one for one in questions() if one.slice == GENERAL]
    return general + [one for one in questions() if one.slice == MEDICAL][:_FIRST_MEDICAL]


def _row(one: Question) -> dict[str, str]:
    return {"id": one.id, "text": one.text, "slice": one.slice}


def _fill_old(folder: Path) -> None:
    """Fill the old index as an application did long before."""
    workspace = read_index_workspace(resolve_settings(folder, {}, {}), folder / MASKED)
    embedder = open_local(workspace.file.old.embed, root=folder, chunker="")
    pages = documents()
    with closing(workspace.index("old")) as index:
        index.create(embedder.fingerprint)
        vectors = embedder.embed([one.text for one in pages], is_query=False)
        index.upsert([one.id for one in pages], vectors, [{TEXT: one.text} for one in pages])


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
