"""What a server lets through in a second, and what its answers tell of that."""

from __future__ import annotations

import json
import math

TELLS = ("nothing", "retry-after", "headers")


class Limit:
    """A bucket of so many calls that refills in a second; what comes too early is answered by 429."""

    def __init__(self, a_second: int, tells: str) -> None:
        self._a_second = a_second
        self._tells = tells
        self._level = float(a_second)
        self._at = 0.0

    def refusal(self, now: float) -> bytes | None:
        """Return the answer to a call that comes too early; None for one that is accepted, and counted."""
        self._level = min(float(self._a_second), self._level + (now - self._at) * self._a_second)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return None
        body = json.dumps({"error": {"message": "slow down"}}).encode()
        told = {"content-type": "application/json", "content-length": str(len(body))} | self.headers()
        if self._tells == "retry-after":
            told["retry-after"] = str(math.ceil((1 - self._level) / self._a_second))
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"HTTP/1.1 429 Too Many Requests\r\n{lines}\r\n".encode() + body

    def headers(self) -> dict[str, str]:
        """Return what every answer tells, in OpenAI's manner: a reset is when the bucket will be full."""
        if self._tells != "headers":
            return {}
        full_s = (self._a_second - self._level) / self._a_second
        return {
            "x-ratelimit-limit-requests": str(self._a_second),
            "x-ratelimit-remaining-requests": str(int(self._level)),
            "x-ratelimit-reset-requests": f"{1000 * full_s:.0f}ms",
        }
