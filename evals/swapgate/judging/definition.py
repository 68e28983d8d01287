"""What a judge is, as hashes: the call it makes, and the whole definition that its verdicts depend on."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.judging.kinds import Kind
from swapgate.judging.logprobs import TOP_LOGPROBS
from swapgate.judging.prompt import call_messages, system_text
from swapgate.records import Json, content_hash
from swapgate.spec.judge_models import Point
from swapgate.spec.judges import ORDER, JudgeHead, JudgeSpec, RubricSpec
from swapgate.spec.token_limits import params_over

MAX_TOKENS = 1024
# Several samples at temperature 0 would be one sample paid for several times.
TEMPERATURE_OF_SEVERAL = 0.7


def call_params(spec: JudgeSpec) -> dict[str, Json]:
    """Return the sampling parameters of a judge's calls: its own over the defaults."""
    temperature = TEMPERATURE_OF_SEVERAL if spec.samples > 1 else 0
    return params_over({"temperature": temperature, "max_tokens": MAX_TOKENS}, spec.params)


def min_valid_samples(spec: JudgeSpec) -> int:
    """Return how many samples must score a criterion: more than half unless the judge says otherwise."""
    return spec.min_valid_samples or spec.samples // 2 + 1


def call_hash(spec: JudgeSpec, kind: Kind) -> str:
    """Return the hash of everything that a call of this judge shows to its model.

    The pass rule and the number of samples are no part of it: to move a threshold, or to take two samples
    more, leaves the calls made so far as they were.
    """
    return content_hash({"calls": _rendered(spec, kind), "criteria": _criteria(spec)})


def definition_hash(spec: JudgeSpec, kind: Kind, *, weak: Iterable[Point] = ()) -> str:
    """Return the hash of everything that a verdict depends on: not the name, not the description.

    `weak` are the points at which a calibration shows the first model of an escalation to err.
    """
    return content_hash(
        {
            "call": call_hash(spec, kind),
            "model": spec.model if isinstance(spec.model, str) else list(spec.model),
            "params": call_params(spec),
            "pass": " ".join(spec.rule_text().split()),
            "samples": spec.samples,
            "min_valid_samples": min_valid_samples(spec),
            "when": spec.when,
            **_composition(spec, weak),
            # Only where it is so: judges that do not require it keep the hash that they have.
            **({"evidence": spec.evidence} if spec.evidence == "required" else {}),
            **({} if isinstance(spec, RubricSpec) else {spec.kind: _own(spec)}),
        }
    )


def code_hash(spec: JudgeHead, *, code: Json) -> str:
    """Return the hash of a judge that is code: what it was told, and what is known of the code itself."""
    written = spec.model_dump(
        mode="json", by_alias=True, exclude={"judge", "description", "extends", "pass_"}
    )
    return content_hash({"code": code, "pass": " ".join(spec.rule_text().split()), **written})


def _composition(spec: JudgeSpec, weak: Iterable[Point]) -> dict[str, Json]:
    """Return what only judges have that weigh, sit in a panel or escalate: others keep their hash."""
    parts: dict[str, Json] = {"logprobs": TOP_LOGPROBS} if spec.logprobs else {}
    if not isinstance(spec.model, str):
        decide = spec.decide or "majority"
        parts["panel"] = [decide, spec.needed_agreement, spec.needed_members]
    if spec.escalate is not None:
        when = spec.escalate.when.model_dump(mode="json", exclude={"errs"})
        parts["escalate"] = [spec.escalate.to, when, [list(point) for point in weak]]
    return parts


def _criteria(spec: JudgeSpec) -> Json:
    """Return what a template may show of a rubric; other kinds are rendered whole."""
    if not isinstance(spec, RubricSpec):
        return spec.kind
    return [[name, criterion.model_dump(mode="json")] for name, criterion in spec.criteria.items()]


def _own(spec: JudgeSpec) -> Json:
    """Return what only this kind of judge has, such as weights."""
    return spec.model_dump(
        mode="json", include=type(spec).model_fields.keys() - JudgeSpec.model_fields.keys()
    )


def _rendered(spec: JudgeSpec, kind: Kind) -> Json:
    """Return the calls about a fixed probe: a change of the built-in words changes the hash by itself."""
    if isinstance(spec, RubricSpec) and spec.template is not None:
        order: list[Json] = [] if spec.order == ORDER else [list(spec.order)]
        return [
            system_text(spec),
            spec.template,
            spec.calls,
            spec.reasoning,
            spec.evidence is not False,
            *order,
        ]
    probe = kind.seen(kind.probe())
    calls = [(s, call_messages(spec, s, probe, call_hash="", sample=1)) for s in kind.shapes(probe)]
    return [[shape.example, *[f"{m.role}: {m.content}" for m in turns]] for shape, turns in calls]
