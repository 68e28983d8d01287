"""A pairwise judge against people: accuracy in both orders, where its verdicts flip to, longer winners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from swapgate.labelling.evidence import CONFIDENCE, Evidence
from swapgate.labelling.measured import Measure, Section, Table
from swapgate.reporting.format import percent
from swapgate.spec.labels import LabelledPair
from swapgate.stats.consistency import position_consistency
from swapgate.stats.proportion import clustered_rate, wilson_interval


def pairs(evidence: Evidence) -> Section | None:
    """Return what labelled pairs show, None without any."""
    rows = evidence.calibration.pairs
    if not rows:
        return None
    found = position_consistency(
        [row.winner for row in rows],
        [row.winner_swapped for row in rows],
        ["a"] * len(rows),
        confidence=CONFIDENCE,
    )
    same = [row for row in rows if row.winner is not None and row.winner == row.winner_swapped]
    both = sum(row.winner == row.truth for row in same)
    read = found.same + found.to_first + found.to_second
    direction = "" if found.p_value is None else f", p {found.p_value:.3f}"
    return Section(
        key="pairs_of_answers",
        title="Pairs of answers in both orders",
        measures=(
            _averaged(rows),
            _share("right in both orders", both, len(rows)),
            Measure.of("same winner in both orders", found.consistency, n=read, is_share=True),
            _share("right where both orders agree", both, len(same)),
            *_longer(same),
        ),
        lines=(
            f"of {read - found.same} verdicts that flip {found.to_first} go to the first place and "
            f"{found.to_second} to the second{direction}; {found.unread} pairs were not read in both orders",
        ),
        table=_groups(rows),
        facts={
            "same": found.same,
            "to_first": found.to_first,
            "to_second": found.to_second,
            "unread": found.unread,
            "right_in_both": both,
            "longer_wins": sum(map(_is_longer, _unlike(same))),
            "accuracy_by_group": {
                name: _right(own) / (2 * len(own)) for name, own in _by_group(rows).items()
            },
        },
    )


def _right(rows: Iterable[LabelledPair]) -> int:
    """Return how many verdicts are right; both orders of a pair count."""
    return sum((row.winner == row.truth) + (row.winner_swapped == row.truth) for row in rows)


def _averaged(rows: Sequence[LabelledPair]) -> Measure:
    """Return the accuracy over both orders; the two verdicts on one pair hang together."""
    right = [won == row.truth for row in rows for won in (row.winner, row.winner_swapped)]
    found = clustered_rate(right, [place // 2 for place in range(len(right))], confidence=CONFIDENCE)
    return Measure.of("right, averaged over both orders", found, n=len(rows), is_share=True)


def _share(name: str, k: int, n: int) -> Measure:
    return Measure.of(name, wilson_interval(k, n, confidence=CONFIDENCE), n=n, is_share=True)


def _unlike(rows: Iterable[LabelledPair]) -> list[LabelledPair]:
    """Return the pairs with a winner whose answers are of different length."""
    return [r for r in rows if r.winner != "tie" and r.characters and r.characters[0] != r.characters[1]]


def _is_longer(row: LabelledPair) -> bool:
    a, b = row.characters or (0, 0)
    return (a > b) == (row.winner == "a")


def _longer(same: Sequence[LabelledPair]) -> list[Measure]:
    unlike = _unlike(same)
    if not unlike:
        return []
    by_truth = [row.model_copy(update={"winner": row.truth}) for row in unlike if row.truth != "tie"]
    return [
        _share("the longer one wins", sum(map(_is_longer, unlike)), len(unlike)),
        _share("the longer one is better by people", sum(map(_is_longer, by_truth)), len(by_truth)),
    ]


def _by_group(rows: Iterable[LabelledPair]) -> dict[str, list[LabelledPair]]:
    found: dict[str, list[LabelledPair]] = defaultdict(list)
    for row in rows:
        if row.group is not None:
            found[row.group].append(row)
    return dict(found)


def _groups(rows: Iterable[LabelledPair]) -> Table | None:
    found = _by_group(rows)
    shown = tuple((name, str(len(own)), percent(_right(own) / (2 * len(own)))) for name, own in found.items())
    return Table(header=("group", "pairs", "right, averaged over both orders"), rows=shown) if shown else None
