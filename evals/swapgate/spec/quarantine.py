"""A case that does not count for a while: why, until which day, and who says so."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# A quarter. A case that nobody has mended in three months is not in quarantine, it is gone: delete it, or
# write the date anew and say why it takes so long.
MOST_DAYS = 90


class Quarantine(BaseModel):
    """`quarantine:` of a case. `until` is the last day on which the case does not count."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    reason: Annotated[str, Field(min_length=1)]
    until: datetime.date
    by: Annotated[str, Field(min_length=1)]

    def holds_on(self, day: datetime.date) -> bool:
        """Whether the case does not count on this day."""
        return day <= self.until

    def why_not(self, day: datetime.date) -> str:
        """Return why the date is refused on this day, or an empty string."""
        days = (self.until - day).days
        if days <= MOST_DAYS:
            return ""
        latest = day + datetime.timedelta(days=MOST_DAYS)
        return (
            f"its quarantine ends on {self.until}, in {days:,} days, and {MOST_DAYS} are the most: a case "
            f"that is out for longer is better mended or deleted. Write a day up to {latest}"
        )


def today() -> datetime.date:
    """Return the day by which quarantines are reckoned, in UTC, so that all machines agree."""
    return datetime.datetime.now(datetime.UTC).date()
