"""A judge's reply, read strictly: one JSON object of the asked shape, or no score at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from swapgate.checks.json_reading import JsonKind, JsonReading, read_json
from swapgate.judging.evidence import checked_quotes
from swapgate.judging.logprobs import weighted_scores
from swapgate.judging.questions import Question
from swapgate.judging.shape import Shape
from swapgate.records import Answer, Evidence, JudgeSample, Response, SampleStatus
from swapgate.values import replace

NO_ANSWERS = {"refusal", "content_filter"}
LONGEST_SHOWN = 60
NOT_ONE_OBJECT: Mapping[JsonKind, str] = {
    "prose_before": "there is text before the JSON object",
    "prose_after": "there is text after the JSON object",
    "prose_around": "there is text around the JSON object",
    "truncated": "the JSON object does not end",
    "several": "there is more than one JSON value",
    "invalid": "it is not valid JSON",
    "no_json": "there is no JSON object in it",
    "empty": "it is empty",
}


class UnusableError(Exception):
    """A reply that gives no score: what it counts as, and what is wrong with it."""

    def __init__(self, status: SampleStatus, problem: str) -> None:
        self.status: SampleStatus = status
        self.problem = problem
        super().__init__(problem)


class ReplyReader:
    """Reads the replies to one kind of call."""

    def __init__(self, shape: Shape, *, weighs: bool = False) -> None:
        self.shape = shape
        self._weighs = weighs
        self._model = _reply_model(shape)

    def read(self, answer: Answer, *, output: str) -> JudgeSample:
        """Return what a reply says of `output`, the judged answer; never raise for what a model can write."""
        criterion = self.shape.about
        # The tokens serve here alone: a hundred of them are larger than all else that is kept of a trial.
        response = answer.response
        kept = replace(answer, response=replace(response, tokens=())) if response.tokens else answer
        sample = partial(JudgeSample, raw=response.text, criterion=criterion, answer=kept)
        try:
            reply = self._reply(response)
            scores = self._scores(reply)
        except UnusableError as exc:
            return sample(status=exc.status, problem=exc.problem)
        evidence = checked_quotes(reply.get("evidence", ()), output)
        sample = partial(sample, reasoning=reply.get("reasoning", ""), evidence=evidence)
        if self.shape.needs_evidence and (problem := _unsupported(evidence)):
            return sample(status="unsupported_evidence", problem=problem)
        valid = sample(status="valid", scores=scores)
        return self._weighted(valid, response) if self._weighs else valid

    def _weighted(self, sample: JudgeSample, response: Response) -> JudgeSample:
        """Return the sample with the scores that its tokens' probabilities give, where they are known."""
        found = weighted_scores(response.text, response.tokens, self.shape, sample.scores)
        weighted = {name: score for one in found.values() for name, score in one.scores.items()}
        return replace(
            sample,
            scores={**sample.scores, **weighted},
            weights={name: one.weights for name, one in found.items()},
            is_weighted=sample.scores.keys() <= weighted.keys(),
        )

    def _reply(self, response: Response) -> Mapping[str, Any]:
        _check_complete(response)
        try:
            return self._model.model_validate(_one_object(response.text)).model_dump(by_alias=True)
        except ValidationError as exc:
            raise UnusableError("unparseable", _problems(exc)) from exc

    def _scores(self, reply: Mapping[str, Any]) -> dict[str, float]:
        """Return the scores that the answers give; a question that the judge cannot assess gives none."""
        scores: dict[str, float] = {}
        for key, name in self.shape.keys.items():
            said, question = reply[key], self.shape.criteria[name]
            scale = question.scale
            if scale is None:
                scores |= question.words[said]
                continue
            if not scale[0] <= said <= scale[1]:
                raise UnusableError(
                    "off_scale", f"{key} is {said}, outside the scale of {scale[0]} to {scale[1]}"
                )
            scores[name] = float(said)
        return scores


def _unsupported(evidence: Sequence[Evidence]) -> str:
    """Return what is wrong with required evidence, an empty string for nothing."""
    if not evidence:
        return "evidence is empty: quote the answer, word for word"
    invented = next((e.quote for e in evidence if not e.is_verbatim), None)
    return "" if invented is None else f"the quote {invented[:LONGEST_SHOWN]!r} does not occur in the answer"


def _check_complete(response: Response) -> None:
    if response.finish_reason in NO_ANSWERS:
        raise UnusableError("refused", f"the judge refused (finish reason {response.finish_reason})")
    if response.finish_reason == "length":
        raise UnusableError("truncated", "it was cut off at the token limit (max_tokens)")
    if not response.text.strip():
        raise UnusableError("empty", "it is empty")


def _one_object(text: str) -> Mapping[str, Any]:
    """Return the object that is the whole text, bare or in one fence.

    Whoever picks one of two verdicts, or of a key written twice, gives a verdict of his own.
    """
    reading = read_json(text)
    if reading.kind not in {"bare", "fenced"}:
        detail = f" ({reading.problem})" if reading.problem else ""
        raise UnusableError("unparseable", NOT_ONE_OBJECT[reading.kind] + detail)
    if fault := _fault(reading):
        raise UnusableError("unparseable", fault)
    if not isinstance(reading.recovered, dict):
        raise UnusableError("unparseable", f"it is a JSON {type(reading.recovered).__name__}, not an object")
    return reading.recovered


def _fault(reading: JsonReading) -> str:
    """Return what a strict parser would not let pass, an empty string for nothing."""
    if reading.duplicate_keys:
        return f"{reading.duplicate_keys[0]!r} occurs twice"
    if reading.non_finite:
        return f"{reading.non_finite[0]!r} is not a finite number"
    return "a text in it holds half a character (a lone surrogate)" if reading.has_lone_surrogates else ""


def _reply_model(shape: Shape) -> type[BaseModel]:
    """Return the model of the reply. Scores go by alias: a criterion may be named like a pydantic method.

    Keys that were not asked for change nothing in the verdict, so they are left alone.
    """
    fields: dict[str, Any] = {}
    if "evidence" in shape.parts:
        fields["evidence"] = (list[str], ...)
    if "reasoning" in shape.parts:
        fields["reasoning"] = (str, ...)
    for place, (key, name) in enumerate(shape.keys.items()):
        fields[f"score_{place}"] = (_score_type(shape.criteria[name]), Field(alias=key))
    return create_model("JudgeReply", __config__=ConfigDict(extra="ignore", strict=True), **fields)


def _score_type(question: Question) -> Any:
    if question.scale is None:
        return Literal[tuple(question.words)]
    return Annotated[int, BeforeValidator(_whole)]


def _whole(value: object) -> object:
    """Return 4.0 as 4; leave everything else to the strict reading."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _problems(error: ValidationError) -> str:
    return "; ".join(_problem(e["loc"], e["type"], e["msg"], e["input"]) for e in error.errors()[:3])


def _problem(loc: tuple[int | str, ...], kind: str, message: str, got: object) -> str:
    where = ".".join(str(part) for part in loc) or "the reply"
    if kind == "missing":
        return f"{where!r} is missing"
    shown = repr(got)
    return f"{where}: {message[:1].lower()}{message[1:]}, got {shown[:LONGEST_SHOWN]}"
