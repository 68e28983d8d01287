"""Numbers and places inside the gate's sentences."""

from __future__ import annotations

from swapgate.analysis.scopes import OVERALL, Scope


def where(scope: Scope) -> str:
    """Return ` on SUITE`, ` on tag TAG`, or ` overall`."""
    return " overall" if scope == OVERALL else f" on {scope.name}"


def percent(share: float, *, against: float | None = None) -> str:
    """Return a share as `71.2%`, with more decimals where it would read like a limit that it is not."""
    if against is not None and share != against:
        for decimals in range(1, 6):
            if f"{share:.{decimals}%}" != f"{against:.{decimals}%}":
                return f"{share:.{decimals}%}"
    return f"{share:.1%}"


def confidence_percent(confidence: float) -> str:
    """Return a confidence as `90%` or `98.7%`."""
    return f"{confidence * 100:.3g}%"


def over_looks(look: int | None) -> str:
    """Return what is to be said of an interval that holds over several looks, an empty string for one."""
    return "" if look is None else f" over {look} {'look' if look == 1 else 'looks'}"


def limit_percent(limit: float) -> str:
    """Return a written limit as `85%` or `99.5%`."""
    return f"{limit * 100:.6g}%"


def points(difference: float) -> str:
    """Return a difference of rates as signed percentage points."""
    return f"{difference * 100:+.1f}"


def limit_points(margin: float) -> str:
    """Return a written margin as `5 points`."""
    return f"{margin * 100:.6g} points"


def usd(amount: float) -> str:
    """Return an amount as `$1.20`, with four decimals below a dollar."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def settle(needed: int | None, *, have: int, cost_usd: float | None) -> str:
    """Return what would settle an open question: the cases, how many more and their cost."""
    if needed is None:
        return "the estimate equals the limit, so more cases alone do not settle it"
    price = f", about {usd(cost_usd)}" if cost_usd else ""
    return f"about {needed:,} independent cases would ({needed - have:,} more{price})"
