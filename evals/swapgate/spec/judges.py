"""Judges as written in `judges/*.yml`."""

from __future__ import annotations

import re
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from swapgate.errors import UsageError, nearest
from swapgate.records import Json
from swapgate.spec.passrule import PassRule
from swapgate.spec.source import read_yaml, validate
from swapgate.spec.suite import JudgeWhen, Written

if TYPE_CHECKING:
    from swapgate.spec.source import Document

# What a canary tries on a judge; the texts are in judging/canaries.py.
CanaryKind = Literal[
    "empty",
    "opener",
    "constant",
    "instruction",
    "verdict",
    "delimiter",
    "invisible",
    "role",
    "authority",
    "length",
    "echo",
]
TEMPLATE_NAMES = ("input", "expected", "output", "criteria", "markers")
# A criterion is a word of the pass rule and a key of the judge's reply.
CRITERION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# A rule over more combinations of scores than this is not tried out.
MAX_COMBINATIONS = 5000
TAKEN_NAMES = {"evidence", "reasoning", "and", "or", "not", "in", "is", "if", "else", "mean", "min", "max"}


class Criterion(Written):
    """One question to the judge, answered by an integer on `scale`, else by pass / fail / cannot_assess."""

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
    evidence: bool | Literal["required"] = True
    when: JudgeWhen | None = None
    canaries: bool | Literal["warn"] = False
    canaries_except: tuple[CanaryKind, ...] = ()
    system: str | None = None
    template: str | None = None

    def pass_rule(self) -> PassRule:
        """Return the rule after `pass:`; raise UsageError when it is wrong."""
        bare = [name for name, criterion in self.criteria.items() if criterion.scale is None]
        return PassRule.parse(self.pass_, self.criteria, bare=bare)


def read_judge(path: Path) -> JudgeSpec:
    """Return the judge written in the file; raise SpecError at the line that is wrong."""
    document = read_yaml(path)
    spec = validate(JudgeSpec, document)
    for name, criterion in spec.criteria.items():
        _check_criterion(document, name, criterion)
    _check_samples(document, spec)
    _check_template(document, spec)
    try:
        rule = spec.pass_rule()
    except UsageError as exc:
        raise document.error(str(exc), "/pass") from exc
    _check_rule(document, spec, rule)
    return spec


def _check_criterion(document: Document, name: str, criterion: Criterion) -> None:
    pointer = f"/criteria/{name.replace('~', '~0').replace('/', '~1')}"
    if not CRITERION_NAME.fullmatch(name):
        raise document.error(
            f"criterion {name!r}: write letters, digits and _, as in 'factual_accuracy'", pointer
        )
    if name in TAKEN_NAMES:
        raise document.error(
            f"criterion {name!r}: the word is taken by the reply or the pass rule; rename it", pointer
        )
    if criterion.scale is None:
        if criterion.anchors:
            raise document.error(f"criterion {name!r} has anchors but no scale; add `scale: [1, 5]`", pointer)
        return
    low, high = criterion.scale
    if low >= high:
        raise document.error(
            f"scale of {name!r} goes from {low} to {high}; write the lower end first", pointer
        )
    off_scale = sorted(n for n in criterion.anchors if not low <= n <= high)
    if off_scale:
        raise document.error(
            f"anchor {off_scale[0]} of {name!r} is outside its scale of {low} to {high}", pointer
        )


def _check_samples(document: Document, spec: JudgeSpec) -> None:
    wanted = spec.min_valid_samples
    if wanted is not None and wanted > spec.samples:
        message = (
            f"min_valid_samples is {wanted}, but only {spec.samples} are taken; raise `samples` or lower it"
        )
        raise document.error(message, "/min_valid_samples")


def _check_rule(document: Document, spec: JudgeSpec, rule: PassRule) -> None:
    """Refuse a rule that says the same of every combination of scores."""
    scales = {name: spec.criteria[name].scale or (0, 1) for name in rule.names}
    sizes = (sum((high - low) * n + 1 for n in range(1, spec.samples + 1)) for low, high in scales.values())
    if prod(sizes) > MAX_COMBINATIONS:
        return
    values = [_means(scale, samples=spec.samples) for scale in scales.values()]
    said: set[bool] = set()
    for scores in product(*values):
        said.add(rule.evaluate(dict(zip(scales, scores, strict=True))) is True)
        if len(said) == 2:
            return
    problem = "every score satisfies" if True in said else "no score can satisfy"
    raise document.error(f"{problem} {rule.text!r}; {_scales(spec, rule)}", "/pass")


def _means(scale: tuple[int, int], *, samples: int) -> list[float]:
    """Return every mean that up to `samples` scores on the scale can have."""
    low, high = scale
    counts = range(1, samples + 1)
    return sorted({total / n for n in counts for total in range(low * n, high * n + 1)})


def _scales(spec: JudgeSpec, rule: PassRule) -> str:
    scales = {name: spec.criteria[name].scale for name in rule.names}
    return ", ".join(
        f"{name} goes from {scale[0]} to {scale[1]}" if scale else f"{name} is 1 (pass) or 0 (fail)"
        for name, scale in scales.items()
    )


def _check_template(document: Document, spec: JudgeSpec) -> None:
    if spec.template is None:
        return
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        tree = ImmutableSandboxedEnvironment().parse(spec.template)
    except TemplateSyntaxError as exc:
        raise document.error(f"template, its line {exc.lineno}: {exc.message}", "/template") from exc
    used = meta.find_undeclared_variables(tree)
    unknown = sorted(used - set(TEMPLATE_NAMES))
    if unknown:
        known = f"a template sees {', '.join(TEMPLATE_NAMES)}.{nearest(unknown[0], TEMPLATE_NAMES)}"
        raise document.error(f"template: unknown name {unknown[0]!r}; {known}", "/template")
    if "output" not in used:
        raise document.error("template never shows the answer; put `{{ output }}` into it", "/template")
