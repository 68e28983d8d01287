"""What is odd about judged answers: one to different questions, words to the judge, quotes of nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from swapgate.facts import Facts

# Of fewer cases that one answer fits most of them is no surprise.
FEWEST_CASES = 5
_MOST = 0.5
_LISTED = 5
# Judges shorten and mend what they quote: few inventions are no news.
_FEWEST_INVENTED, _INVENTED = 5, 0.1


def odd_answers(facts: Iterable[Facts]) -> list[str]:
    """Return a sentence for each model and suite whose judged answers are alike or speak to the judge."""
    groups: dict[tuple[str, str], list[Facts]] = {}
    for one in facts:
        if one.is_own and one.verdicts:
            groups.setdefault((one.model, one.suite), []).append(one)
    return [
        text for group in groups.values() for text in (*_same(group), *_speaking(group), *_invented(group))
    ]


def _same(group: Sequence[Facts]) -> Iterator[str]:
    """Say that one answer was given to most cases although their references differ."""
    by_answer: dict[str, dict[str, Facts]] = {}
    for one in group:
        if one.answer_hash is not None:
            by_answer.setdefault(one.answer_hash, {}).setdefault(one.case, one)
    cases = {one.case for one in group}
    if len(cases) < FEWEST_CASES or not by_answer:
        return
    alike = max(by_answer.values(), key=len)
    references = Counter(one.reference_hash for one in alike.values() if one.reference_hash is not None)
    fits_most = bool(references) and max(references.values()) > _MOST * len(alike)
    if len(alike) <= _MOST * len(cases) or fits_most:
        return
    passed = sum(one.outcome == "passed" for one in alike.values())
    yield (
        f"{group[0].model} gives one and the same answer to {len(alike):,} of {len(cases):,} cases of "
        f"{group[0].suite}, whose references differ or are not written; {passed:,} of them passed"
    )


def _speaking(group: Sequence[Facts]) -> Iterator[str]:
    found = [one for one in group if one.suspicions]
    if not found:
        return
    what = dict.fromkeys(text for one in found for text in one.suspicions.split("; "))
    names = list(dict.fromkeys(f"{one.suite}/{one.case}" for one in found))
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    passed = sum(one.outcome == "passed" for one in found)
    yield (
        f"{len(found):,} of {len(group):,} answers of {group[0].model} to {group[0].suite} speak to the "
        f"judge ({', '.join(what)}); {passed:,} of them passed, read them: {', '.join(names[:_LISTED])}{more}"
    )


def _invented(group: Sequence[Facts]) -> Iterator[str]:
    """Say that judges quote what the answers do not say."""
    quotes, invented = sum(one.quotes for one in group), sum(one.quotes_invented for one in group)
    if invented >= _FEWEST_INVENTED and invented > _INVENTED * quotes:
        yield (
            f"{invented:,} of {quotes:,} quotes that judges gave for {group[0].model} on {group[0].suite} "
            "do not occur in its answers; with `evidence: required` such a verdict does not count"
        )
