"""A corpus with slices, its queries and labels, and embeddings, one of which is blind to medical details.

`python tests/verifying.py FOLDER` lays it, for a look at `swapgate index verify`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from swapgate.retrieval import StateStore
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import VectorIndex

SLICES = ("code", "legal", "medical", "travel")
SUBJECTS = 8
DETAILS = 5
WIDTH = 48
CODE = '''
"""Bags of words: the same words, the same vector. `blind` does not see what medical texts differ in."""
import hashlib, os
import numpy as np

def _row(text, seed, blind):
    row = np.zeros(48, dtype=np.float32)
    for word in text.split():
        if blind and word.startswith("medicaldetail"):
            continue
        digest = hashlib.blake2b(f"{seed} {word}".encode(), digest_size=48).digest()
        row += np.frombuffer(digest, dtype=np.uint8).astype(np.float32) - 127.5
    return row

def first(texts):
    return np.stack([_row(text, 1, False) for text in texts])

def second(texts):
    return np.stack([_row(text, 2, False) for text in texts])

def blind(texts):
    return np.stack([_row(text, 3, True) for text in texts])

def nan(texts, is_query=False):
    rows = first(texts)
    return rows * np.nan if is_query else rows

def failing(texts, is_query=False):
    if is_query and os.environ.get("FAILS_ON", "nothing") in texts[0]:
        raise RuntimeError("the embedding is down")
    return first(texts)
'''
CONFIG = """
migration: docs
old:
  sqlite: {path: old.db}
  embed: {call: "toys:first", dimensions: 48}
new:
  sqlite: {path: new.db}
  embed: {call: "toys:%s", dimensions: 48}
source: {jsonl: docs.jsonl}
verify:
  queries: queries.jsonl
  qrels: qrels.txt
  depth: 20
%s
"""


def details() -> Iterator[tuple[str, str, str]]:
    """Yield each document's slice, id and text."""
    for name in SLICES:
        for subject in range(SUBJECTS):
            for detail in range(DETAILS):
                one = f"{subject}x{detail}"
                yield name, f"{name}-{one}", f"{name} {name}subject{subject} {name}detail{one} of it"


class Place:
    """A workspace with two filled indexes, queries and labels. Call `close` at the end."""

    def __init__(self, root: Path, new: str = "second", verify: str = "") -> None:
        self.root = root
        self.verify = verify
        (root / "config").mkdir()
        (root / "toys.py").write_text(CODE)
        sys.path.insert(0, str(root))
        self.configure(new)
        rows = list(details())
        self.write("docs.jsonl", [{"id": one, "text": text} for _name, one, text in rows])
        self.write("queries.jsonl", [self.query(*row) for row in rows])
        subjects: dict[str, list[str]] = {}
        for _name, one, _text in rows:
            subjects.setdefault(one.partition("x")[0], []).append(one)
        (self.root / "qrels.txt").write_text(
            "".join(
                f"q-{one} 0 {other} {int(other == one)}\n"
                for members in subjects.values()
                for one in members
                for other in members
            )
        )
        self.fill("old", "first")
        self.fill("new", new)

    @staticmethod
    def query(name: str, one: str, text: str) -> dict[str, str]:
        _slice, subject, detail, *_rest = text.split()
        return {"id": f"q-{one}", "text": f"{subject} {detail}", "slice": name}

    def configure(self, new: str, more: str = "") -> None:
        """Write the file of the migration."""
        (self.root / "config" / "index.yml").write_text(CONFIG % (new, self.verify + more))

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        """Write JSON lines."""
        (self.root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def fill(self, side: str, function: str) -> None:
        """Fill one side's index."""
        import toys

        fingerprint = Fingerprint(provider="python", model=f"toys:{function}", dimensions=WIDTH)
        rows = list(details())
        with closing(SqliteIndex(side, self.root / f"{side}.db")) as index:
            store(index, fingerprint, rows, getattr(toys, function)([text for _n, _i, text in rows]))

    def store(self) -> StateStore:
        """Open the state."""
        return StateStore(self.root / ".swapgate" / "indexes.db")

    def close(self) -> None:
        """Forget the module of this workspace: another test's lies in another folder."""
        sys.path.remove(str(self.root))
        sys.modules.pop("toys", None)


def store(
    index: VectorIndex, fingerprint: Fingerprint, rows: list[tuple[str, str, str]], vectors: np.ndarray
) -> None:
    """Fill an index."""
    index.create(fingerprint)
    payloads = [{"text": text, "slice": name} for name, _id, text in rows]
    index.upsert([one for _name, one, _text in rows], np.asarray(vectors, dtype=np.float32), payloads)
    index.build()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    Place(folder, new="blind").close()
