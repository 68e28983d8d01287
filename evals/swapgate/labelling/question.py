"""What people are asked about a response: does it pass, or the judge's own scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from swapgate.judging.judge import Judge
from swapgate.spec.judges import Criterion
from swapgate.spec.passrule import PassRule

# Up to here a score is one keystroke.
LAST_DIGIT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One criterion as people are asked about it; `scale` is None for pass or fail."""

    name: str
    ask: str
    scale: tuple[int, int] | None
    anchors: Mapping[int, str]

    @property
    def is_one_key(self) -> bool:
        """Whether every answer is a single digit, or p and f."""
        return self.scale is None or (self.scale[0] >= 0 and self.scale[1] <= LAST_DIGIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The judge's question. Asked for the verdict people say pass or fail, else they score `parts`."""

    asked: Literal["verdict", "scores"]
    parts: tuple[Part, ...]
    rule: PassRule

    @classmethod
    def of(cls, judge: Judge, asked: Literal["verdict", "scores"], *, rule: str | None = None) -> Question:
        """Return the question of a judge; of its criteria those that decide.

        `rule` makes a truth of people's scores in the place of the judge's own, which may have moved since.
        """
        spec = judge.spec
        if rule is not None:
            spec = spec.model_copy(update={"pass_": rule})
        parsed = spec.pass_rule()
        return cls(asked=asked, parts=tuple(_part(n, spec.criteria[n]) for n in parsed.names), rule=parsed)

    def lines(self) -> Iterator[str]:
        """Yield what the judge asks, and when an answer passes."""
        for part in self.parts:
            yield f"{part.name}: {part.ask}" if len(self.parts) > 1 else part.ask
            for point, anchor in sorted(part.anchors.items()):
                yield f"  {point} = {anchor}"
        if len(self.parts) > 1 or self.parts[0].scale is not None:
            yield f"It passes when {self.rule.text}"

    def truth(self, scores: Mapping[str, float]) -> Literal["pass", "fail"]:
        """Return what the rule makes of a person's scores."""
        return "pass" if self.rule.evaluate(scores) else "fail"


def _part(name: str, criterion: Criterion) -> Part:
    return Part(name=name, ask=criterion.ask, scale=criterion.scale, anchors=criterion.anchors)
