"""What a judge is, as hashes: the call it makes, and the whole definition that its verdicts depend on."""

from __future__ import annotations

from swapgate.judging.prompt import call_messages, system_text
from swapgate.judging.shape import shapes
from swapgate.judging.subject import Judged
from swapgate.records import Json, Message, content_hash
from swapgate.spec.judges import JudgeSpec

MAX_TOKENS = 1024
# Several samples at temperature 0 would be one sample paid for several times.
TEMPERATURE_OF_SEVERAL = 0.7
_PROBE = Judged(
    output="answer",
    variables={"variable": "input"},
    messages=(Message(role="user", content="turn"),),
    expected="reference",
)


def call_params(spec: JudgeSpec) -> dict[str, Json]:
    """Return the sampling parameters of a judge's calls: its own over the defaults."""
    temperature = TEMPERATURE_OF_SEVERAL if spec.samples > 1 else 0
    return {"temperature": temperature, "max_tokens": MAX_TOKENS, **spec.params}


def min_valid_samples(spec: JudgeSpec) -> int:
    """Return how many samples must score a criterion: more than half unless the judge says otherwise."""
    return spec.min_valid_samples or spec.samples // 2 + 1


def call_hash(spec: JudgeSpec) -> str:
    """Return the hash of everything that a call of this judge shows to its model.

    The pass rule and the number of samples are no part of it: to move a threshold, or to take two samples
    more, leaves the calls made so far as they were.
    """
    return content_hash({"calls": _rendered(spec), "criteria": _criteria(spec)})


def definition_hash(spec: JudgeSpec) -> str:
    """Return the hash of everything that a verdict depends on: not the name, not the description."""
    return content_hash(
        {
            "call": call_hash(spec),
            "model": spec.model,
            "params": call_params(spec),
            "pass": " ".join(spec.pass_.split()),
            "samples": spec.samples,
            "min_valid_samples": min_valid_samples(spec),
            "when": spec.when,
            # Only where it is so: judges that do not require it keep the hash that they have.
            **({"evidence": spec.evidence} if spec.evidence == "required" else {}),
        }
    )


def _rendered(spec: JudgeSpec) -> Json:
    """Return the calls about a fixed probe: a change of the built-in words changes the hash by itself."""
    if spec.template is not None:
        return [system_text(spec), spec.template, spec.calls, spec.reasoning, spec.evidence is not False]
    calls = [(shape, call_messages(spec, shape, _PROBE, call_hash="", sample=1)) for shape in shapes(spec)]
    return [[shape.example, *[f"{m.role}: {m.content}" for m in turns]] for shape, turns in calls]


def _criteria(spec: JudgeSpec) -> Json:
    return [[name, c.model_dump(mode="json")] for name, c in spec.criteria.items()]
