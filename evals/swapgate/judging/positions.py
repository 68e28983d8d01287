"""What a pairwise judge said in either order, for `stats.consistency` to find where its verdicts flip to."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.judging.kinds.pairwise import TIE
from swapgate.records import Verdict

OURS, THEIRS = "judged", "rival"


def winners_by_order(
    verdicts: Iterable[Verdict],
) -> tuple[list[str | None], list[str | None], list[str]]:
    """Return, for each verdict, who won with the judged answer first, who with it second, and who is first.

    A winner is `judged`, `rival` or `tie`, None where that order gave no score.
    """
    pairs = [(v.scores.get("shown_first"), v.scores.get("shown_second")) for v in verdicts]
    first, second = [_winner(one) for one, _ in pairs], [_winner(two) for _, two in pairs]
    return first, second, [OURS] * len(pairs)


def _winner(score: float | None) -> str | None:
    if score is None:
        return None
    return "tie" if score == TIE else OURS if score > TIE else THEIRS
