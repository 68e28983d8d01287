"""Which part of a long list is shown, and where the others are."""

from __future__ import annotations

from collections.abc import Callable

from swapgate.values import Value


class Pager(Value, kw_only=False):
    """Page `page` of `total` rows, `size` at once; `address` makes the link to another page."""

    page: int
    size: int
    total: int
    address: Callable[[int], str]

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1."""
        return (self.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return min(self.page * self.size, self.total)

    @property
    def newer(self) -> str | None:
        """The address of the page before, None on the first."""
        return self.address(self.page - 1) if self.page > 1 else None

    @property
    def older(self) -> str | None:
        """The address of the next page, None on the last."""
        return self.address(self.page + 1) if self.last < self.total else None
