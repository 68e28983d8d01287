"""What people are asked about a response: does it pass, or the judge's own scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from swapgate.errors import UsageError
from swapgate.judging.judge import Judge
from swapgate.judging.load import AnyJudge
from swapgate.judging.questions import ABSTAINS
from swapgate.spec.judges import JudgeHead, RubricSpec
from swapgate.spec.passrule import PassRule
from swapgate.values import Value

# Up to here a score is one keystroke.
LAST_DIGIT = 9


class Part(Value):
    """One question of the judge as people are asked it; `scale` is None for pass or fail."""

    name: str
    ask: str
    scale: tuple[int, int] | None
    anchors: Mapping[int, str] | Mapping[str, str]

    @property
    def is_one_key(self) -> bool:
        """Whether every answer is a single digit, or p and f."""
        return self.scale is None or (self.scale[0] >= 0 and self.scale[1] <= LAST_DIGIT)


class Question(Value):
    """The judge's question. Asked for the verdict people say pass or fail, else they score `parts`."""

    asked: Literal["verdict", "scores"]
    parts: tuple[Part, ...]
    rule: PassRule

    @classmethod
    def of(cls, judge: AnyJudge, asked: Literal["verdict", "scores"], *, rule: str | None = None) -> Question:
        """Return the question of a judge; of a rubric's criteria those that decide.

        `rule` makes a truth of people's scores in the place of the judge's own, which may have moved since.
        Raises UsageError for a judge that people cannot be asked about in this way.
        """
        spec = judge.spec if rule is None else judge.spec.model_copy(update={"pass_": rule})
        if spec.kind == "pairwise":
            raise UsageError(
                f"judge {spec.judge!r} compares two answers, and a labelling session shows one: write what "
                "people prefer after `pairs` of its calibration"
            )
        if asked == "scores" and not isinstance(spec, RubricSpec):
            raise UsageError(
                f"judge {spec.judge!r} is a {spec.kind}, and people score the criteria of a rubric only: "
                "leave --ask scores out"
            )
        parsed = spec.pass_rule()
        return cls(asked=asked, parts=tuple(_parts(judge, spec, parsed)), rule=parsed)

    def lines(self) -> Iterator[str]:
        """Yield what the judge asks, and when an answer passes."""
        for part in self.parts:
            yield f"{part.name}: {part.ask}" if len(self.parts) > 1 else part.ask
            for point, meaning in sorted(part.anchors.items(), key=str):
                yield f"  {point} = {meaning}"
        if len(self.parts) > 1 or self.parts[0].scale is not None or self.parts[0].anchors:
            yield f"It passes when {self.rule.text}"

    def truth(self, scores: Mapping[str, float]) -> Literal["pass", "fail"]:
        """Return what the rule makes of a person's scores."""
        return "pass" if self.rule.evaluate(scores) else "fail"


def _parts(judge: AnyJudge, spec: JudgeHead, rule: PassRule) -> Iterator[Part]:
    if isinstance(spec, RubricSpec):
        for name in rule.names:
            criterion = spec.criteria[name]
            yield Part(name=name, ask=criterion.ask, scale=criterion.scale, anchors=criterion.anchors)
    elif isinstance(judge, Judge):
        for name, question in judge.questions.items():
            meanings = {str(word): text for word, text in question.meanings.items() if word != ABSTAINS}
            yield Part(name=name, ask=question.ask, scale=question.scale, anchors=meanings)
    else:
        ask = spec.description or f"Is the answer as good as the judge {spec.judge!r} should let pass?"
        yield Part(name=spec.judge, ask=ask.strip(), scale=None, anchors={})
