"""Reads judges' files, and refuses at its line what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from swapgate.errors import UsageError, nearest
from swapgate.spec.extends import extended
from swapgate.spec.judge_kinds import KINDS, ChecklistSpec, LabelSpec, PythonSpec
from swapgate.spec.judge_models import MAX_COMBINATIONS, check_models
from swapgate.spec.judge_words import check_names, check_words
from swapgate.spec.judges import TEMPLATE_NAMES, Criterion, JudgeHead, JudgeSpec, Range, RubricSpec
from swapgate.spec.passrule import PassRule
from swapgate.spec.pointers import pointer_of
from swapgate.spec.source import Document, read_yaml, validate
from swapgate.values import replace

# Scores that may have any value in their range are tried out at so many of them.
GRID = 101

# What the facts that a case brings to a checklist are called.
FACT_NAME = re.compile(r"(required|forbidden)_[0-9]+")


def read_judge(path: Path) -> JudgeHead:
    """Return the judge written in the file, what it extends included; raise SpecError at the wrong line."""
    return judge_of(extended(read_yaml(path)))


def read_library_judge(path: Path, *, name: str, model: str) -> JudgeHead:
    """Return a judge of the library as it would be with nothing but a name and a model added."""
    document = read_yaml(path)
    return judge_of(replace(document, data={**document.data, "judge": name, "model": model}))


def judge_of(document: Document) -> JudgeHead:
    """Return the judge that a whole document describes; raise SpecError at the line that is wrong."""
    kind = _kind(document)
    spec = validate(KINDS[kind], document, noun="a judge" if kind == "rubric" else f"a {kind} judge")
    if isinstance(spec, JudgeSpec):
        _check_samples(document, spec)
        _check_order(document, spec)
    _check_kind(document, spec)
    try:
        rule = spec.pass_rule()
    except UsageError as exc:
        raise document.error(str(exc), "/pass") from exc
    _check_rule(document, spec, rule)
    if isinstance(spec, JudgeSpec):
        check_models(document, spec, rule)
    return spec


def _kind(document: Document) -> str:
    kind = document.data.get("kind", "rubric") if isinstance(document.data, dict) else "rubric"
    if not isinstance(kind, str) or kind not in KINDS:
        known = f"there are {', '.join(KINDS)}.{nearest(str(kind), KINDS)}"
        raise document.error(f"unknown kind of judge {kind!r}; {known}", "/kind")
    return kind


def _check_kind(document: Document, spec: JudgeHead) -> None:
    """Check the names of scores, which are words of the rule and keys of the reply."""
    if isinstance(spec, RubricSpec):
        check_names(document, "criteria", spec.criteria, noun="criterion")
        for name, criterion in spec.criteria.items():
            _check_criterion(document, name, criterion)
        _check_template(document, spec.template)
    elif isinstance(spec, ChecklistSpec):
        check_names(document, "items", spec.items, noun="item", taken={"score", "required", "forbidden"})
        _check_items(document, spec)
    elif isinstance(spec, LabelSpec):
        check_names(document, "labels", spec.labels, noun="label", taken={"cannot_assess"})
    elif isinstance(spec, PythonSpec):
        check_words(document, "returns", spec.returns, noun="score")
    if isinstance(spec, LabelSpec) and isinstance(spec.pass_, tuple):
        _check_listed(document, spec, spec.pass_)


def _check_listed(document: Document, spec: LabelSpec, listed: tuple[str, ...]) -> None:
    known = list(spec.labels)
    for place, label in enumerate(listed):
        if label not in known:
            message = f"unknown label {label!r}; there are {', '.join(known)}.{nearest(label, known)}"
            raise document.error(message, f"/pass/{place}")
    if not listed or set(listed) == set(known):
        said = "no label passes" if not listed else "every label passes"
        raise document.error(f"{said}: the judge would say the same of every answer", "/pass")


def _check_items(document: Document, spec: ChecklistSpec) -> None:
    for name, item in spec.written_items.items():
        if item.required and item.forbidden:
            message = f"item {name!r} is both required and forbidden; leave one of them out"
            raise document.error(message, pointer_of(["items", name]))
        if spec.facts is not None and FACT_NAME.fullmatch(name):
            message = f"item {name!r}: a fact of the case has that name; rename the item"
            raise document.error(message, pointer_of(["items", name]))


def _check_criterion(document: Document, name: str, criterion: Criterion) -> None:
    pointer = pointer_of(["criteria", name])
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


def _check_order(document: Document, spec: JudgeSpec) -> None:
    if len(set(spec.order)) < len(spec.order):
        message = "order names a part twice; write evidence, reasoning and verdict once each"
        raise document.error(f"{message} (`evidence: false` leaves one out)", "/order")


def _check_rule(document: Document, spec: JudgeHead, rule: PassRule) -> None:
    """Refuse a rule that says the same of every combination of scores."""
    said: set[bool] = set()
    for scores in _combinations(spec, rule):
        said.add(rule.evaluate(scores) is True)
        if len(said) == 2:
            return
    if said:
        problem = "every score satisfies" if True in said else "no score can satisfy"
        raise document.error(f"{problem} {rule.text!r}; {_ranges(spec, rule)}", "/pass")


def _combinations(spec: JudgeHead, rule: PassRule) -> Iterable[dict[str, float]]:
    """Return the scores to try a rule out on; none where they are too many, or may be anything."""
    ranges, samples = _ranges_of(spec), getattr(spec, "samples", 1)
    if isinstance(spec, LabelSpec):
        return (
            [{label: float(label == given) for label in ranges} for given in ranges] if samples == 1 else []
        )
    used = [ranges[name] for name in rule.names]
    if any(r.high == float("inf") for r in used) or prod(_count(r, samples) for r in used) > MAX_COMBINATIONS:
        return []
    values = product(*(_values(r, samples) for r in used))
    return (dict(zip(rule.names, scores, strict=True)) for scores in values)


def _ranges_of(spec: JudgeHead) -> Mapping[str, Range]:
    """Return the ranges of the scores; weighted ones, and means over a panel, lie anywhere in them."""
    is_anywhere = isinstance(spec, JudgeSpec) and (spec.logprobs or spec.decide == "mean")
    ranges = spec.scores()
    return {name: replace(one, step=None) for name, one in ranges.items()} if is_anywhere else ranges


def _count(values: Range, samples: int) -> float:
    """Return at most how many values the mean of up to `samples` scores can have."""
    if values.step is None:
        return GRID
    return sum((values.high - values.low) / values.step * n + 1 for n in range(1, samples + 1))


def _values(values: Range, samples: int) -> list[float]:
    """Return every mean that up to `samples` scores can have."""
    low, high, step = values.low, values.high, values.step
    if step is None:
        return [low + (high - low) * n / (GRID - 1) for n in range(GRID)]
    found = {
        low + total * step / n
        for n in range(1, samples + 1)
        for total in range(round((high - low) / step) * n + 1)
    }
    return sorted(found)


def _ranges(spec: JudgeHead, rule: PassRule) -> str:
    ranges: Mapping[str, Range] = spec.scores()
    return ", ".join(f"{name} {ranges[name].words}" for name in rule.names)


def _check_template(document: Document, template: str | None) -> None:
    if template is None:
        return
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        tree: Any = ImmutableSandboxedEnvironment().parse(template)
    except TemplateSyntaxError as exc:
        raise document.error(f"template, its line {exc.lineno}: {exc.message}", "/template") from exc
    used = meta.find_undeclared_variables(tree)
    unknown = sorted(used - set(TEMPLATE_NAMES))
    if unknown:
        known = f"a template sees {', '.join(TEMPLATE_NAMES)}.{nearest(unknown[0], TEMPLATE_NAMES)}"
        raise document.error(f"template: unknown name {unknown[0]!r}; {known}", "/template")
    if "output" not in used:
        raise document.error("template never shows the answer; put `{{ output }}` into it", "/template")
