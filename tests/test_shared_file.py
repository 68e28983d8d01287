"""A file that batches, mirrored traffic, ramps and ledgers are kept in, when it cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from swapgate.errors import StoreError
from swapgate.memory.shared_file import FileKind, SharedFile

KIND = FileKind(
    schema="""
CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS notes (text INTEGER REFERENCES texts (id) DEFERRABLE INITIALLY DEFERRED);
""",
    format=1,
    trouble="the texts cannot be kept",
    remedy="Free the disk",
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SharedFile]:
    with closing(SharedFile(tmp_path / "texts.db", KIND)) as opened:
        yield opened


def add(file: SharedFile, text: str) -> None:
    with file.transaction() as db:
        db.execute("INSERT INTO texts (text) VALUES (?)", (text,))


def count(file: SharedFile) -> int:
    return int(file.db.execute("SELECT COUNT(*) FROM texts").fetchone()[0])


def test_a_full_disk_is_told_as_one_and_keeps_nothing_of_the_change(file: SharedFile) -> None:
    file.db.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreError, match=r"cannot be kept: database or disk is full\. Free the disk"):
        add(file, "x" * 100_000)
    add(file, "short")
    assert count(file) == 1


def test_a_commit_that_fails_leaves_a_file_that_can_be_changed(file: SharedFile) -> None:
    file.db.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(StoreError, match="constraint failed"), file.transaction() as db:
        db.execute("INSERT INTO notes VALUES (5)")
    add(file, "after it")
    assert count(file) == 1
