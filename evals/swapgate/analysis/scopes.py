"""What a number is about: all suites together, one suite, the cases of one prompt or one tag."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.facts import Facts
from swapgate.values import Value


class Scope(Value, kw_only=False):
    """A part of a run's trials: those that agree with every name given."""

    suite: str | None = None
    prompt: str | None = None
    tag: str | None = None

    def holds(self, facts: Facts) -> bool:
        """Whether a trial belongs to it."""
        return (
            (self.suite is None or facts.suite == self.suite)
            and (self.prompt is None or facts.prompt == self.prompt)
            and (self.tag is None or self.tag in facts.tags)
        )

    @property
    def name(self) -> str:
        """What people call it: `all suites`, a suite's name, `tag security`, `code_review, tag security`."""
        parts = [
            self.suite or "",
            f"prompt {self.prompt}" if self.prompt else "",
            f"tag {self.tag}" if self.tag else "",
        ]
        return ", ".join(part for part in parts if part) or "all suites"


OVERALL = Scope()


class Scoped(Value):
    """What every result about a scope shares: `suite`, `prompt` and `tag` name it, all None: overall."""

    suite: str | None = None
    prompt: str | None = None
    tag: str | None = None

    @property
    def scope(self) -> Scope:
        """What the result is about."""
        return Scope(self.suite, self.prompt, self.tag)


def in_order(scopes: Iterable[Scope]) -> list[Scope]:
    """Return scopes sorted: overall before suites, by name."""
    return sorted(scopes, key=lambda s: (s.suite or "", s.prompt or "", s.tag or ""))
