"""What a request may be answered with instead of a page."""

from __future__ import annotations

from swapgate.errors import SwapgateError


class Refused(SwapgateError):
    """A request that is answered with a message: `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)
