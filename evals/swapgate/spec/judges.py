"""Judges as written in `judges/*.yml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from swapgate.records import Json
from swapgate.spec.suite import JudgeWhen, Written


class Criterion(Written):
    """One question to the judge, answered by an integer on `scale` (or pass / fail / cannot_assess without one)."""

    ask: str
    scale: tuple[int, int] | None = None
    anchors: dict[int, str] = Field(default_factory=dict)


class JudgeSpec(Written):
    """One judge file.

    `template` (Jinja2, sandboxed) takes the place of the built-in user message; it sees `input`, `expected`,
    `output`, `criteria` and `markers`. `pass` is a small expression over the criteria.
    """

    judge: str
    description: str | None = None
    model: str
    calls: Literal["together", "per_criterion"] = "together"
    criteria: dict[str, Criterion] = Field(min_length=1)
    pass_: str = Field(alias="pass")
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    min_valid_samples: Annotated[int, Field(ge=1)] | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    reasoning: bool = True
    evidence: bool = True
    when: JudgeWhen | None = None
    system: str | None = None
    template: str | None = None
