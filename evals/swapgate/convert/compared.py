"""References that a file gives without saying how an answer is compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from swapgate.convert import assertions
from swapgate.convert.imported import Imported, ImportedCase, Judges, Untranslated
from swapgate.records import Json
from swapgate.values import replace

Way = Literal["equals", "contains", "judge"]
_SUITE = "the suite"


def compared(imported: Imported, way: Way | None) -> Imported:
    """Return the suite with references compared in this way, where nothing else decides the meaning.

    None leaves them as they are, and lists that nothing is compared.
    """
    waiting = [case for case in imported.cases if _is_undecided(case)]
    if not waiting or imported.checks or imported.suite_judges:
        return imported
    if way is None:
        what = f"how an answer is compared with `expected`, in {len(waiting)} of {len(imported.cases)} cases"
        why = "the file does not say: give --expect equals, contains or judge"
        left = [*imported.untranslated, Untranslated(place=_SUITE, what=what, why=why)]
        return replace(imported, untranslated=left)
    if way == "judge":
        return _judged(imported)
    return replace(imported, cases=[_with_check(case, way) for case in imported.cases])


def _is_undecided(case: ImportedCase) -> bool:
    return case.expected is not None and not case.checks and not case.judges


def _with_check(case: ImportedCase, way: Way) -> ImportedCase:
    if not _is_undecided(case):
        return case
    if isinstance(case.expected, str):
        text = case.expected
        check: Json = {"expected": "text"} if way == "equals" else assertions.contains([text])
        return replace(case, checks=[check])
    return replace(case, checks=["expected"])


def _judged(imported: Imported) -> Imported:
    judges = Judges()
    judges.files.update(imported.judges)
    name = judges.of_library("factual_accuracy")
    cases: Sequence[ImportedCase] = [
        replace(case, judges=[name]) if _is_undecided(case) else case for case in imported.cases
    ]
    return replace(imported, cases=cases, judges=judges.files)
