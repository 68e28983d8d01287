"""Suites, cases and gate rules as written in `cases/**/*.yml`."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from swapgate.records import Json, Message, adapter, canonical, content_hash
from swapgate.spec.quarantine import Quarantine
from swapgate.values import Value, replace

CASE_ID = r"^[A-Za-z0-9_.-]+$"
# One check: its bare name (`json`), or a mapping of one name to its options (`json: strict`).
CheckEntry: TypeAlias = str | dict[str, Json]
JudgeWhen = Literal["structure_passes", "always"]


class Written(BaseModel):
    """Base of everything read from a file: unknown keys are errors, instances are frozen."""

    # Validators are built when first used: a command reads few of the kinds of files that there are.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _named_tool(tool: Json) -> Json:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError("must be a tool with a name: {name, description, parameters}")
    return tool


class RateRule(Written):
    """A bound on a rate: `min` or `max`, decided on the 90% interval's bound or on the point estimate."""

    min: Annotated[float, Field(ge=0, le=1)] | None = None
    max: Annotated[float, Field(ge=0, le=1)] | None = None
    on: Literal["interval", "point"] = "interval"

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs `min` or `max`: without a bound nothing is judged")
        return self


class Ceiling(Written):
    """An upper bound on a measured amount."""

    max: Annotated[float, Field(gt=0)]


class BlindPassRule(RateRule):
    """Bounds on the blind pass rate: `max` or `min` on the rate itself, `rise` on its change."""

    rise: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.min is None and self.max is None and self.rise is None:
            raise ValueError("needs `max`, `min` or `rise`: without a bound nothing is judged")
        return self


class SliceGate(Written):
    """What must hold for the cases of one tag or one prompt. An absent rule is not judged."""

    semantic: RateRule | None = None
    structural: RateRule | None = None
    blind_pass: BlindPassRule | None = None
    margin: Annotated[float, Field(ge=0, lt=1)] | None = None


class GateSpec(SliceGate):
    """What must hold before a merge. An absent rule is not judged."""

    cost_usd: Ceiling | None = None
    latency_p95_s: Ceiling | None = None
    tags: dict[str, SliceGate] = Field(default_factory=dict)
    prompts: dict[str, SliceGate] = Field(default_factory=dict)
    errors: Annotated[float, Field(ge=0, le=1)] | None = None
    unscored: Annotated[float, Field(ge=0, le=1)] | None = None
    inconclusive: Literal["block", "warn"] | None = None


class OverallGate(GateSpec):
    """What must hold over all suites together, and how intervals are made."""

    regressions: Literal["suite", "prompt", "tag"] | None = None
    interval: Literal["score", "exact"] | None = None


GateEntry: TypeAlias = Literal["every-case"] | GateSpec
OverallGateEntry: TypeAlias = Literal["every-case"] | OverallGate


def interval_of(overall: GateEntry | None) -> Literal["score", "exact"]:
    """Return which intervals the gate over all suites asks for."""
    return overall.interval if isinstance(overall, OverallGate) and overall.interval else "score"


class InlinePrompt(Written):
    """A prompt written into the suite itself."""

    system: str | None = None
    user: str | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    output: Literal["text", "json", "schema"] = "text"


class Defaults(Written):
    """What every case of the suite has unless it says otherwise."""

    tags: tuple[str, ...] = ()
    input: dict[str, Json] = Field(default_factory=dict)
    expected: Json = None
    cluster: str | None = None

    def under(self, case: Case, *, said: Container[str]) -> Case:
        """Return the case with these under what it says itself (its keys); tags are added up."""
        if not self.model_fields_set:
            return case
        return replace(
            case,
            tags=tuple(dict.fromkeys((*self.tags, *case.tags))),
            input={**self.input, **case.input},
            expected=case.expected if "expected" in said else self.expected,
            cluster=case.cluster if "cluster" in said else self.cluster,
        )


# No model of pydantic's: every case of a run is held, and a model takes five times the memory.
class Case(Value):
    """One case.

    `input` holds the prompt's variables, `messages` a conversation in the place of the prompt's user turn.
    `expected` is a reference answer (text) or a mapping of field values; the key `answer` or `summary` of
    such a mapping is the reference that judges read. `checks` and `judges` add to those of the suite.
    `covariates` are numbers that failures are held against, beside those that the input itself has.
    In `quarantine` a case is run and reported, and the gate does not count it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = Written.model_config

    id: Annotated[str, Field(pattern=CASE_ID)]
    input: dict[str, Json] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    expected: Json = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    covariates: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = field(default_factory=dict)
    checks: tuple[CheckEntry, ...] = ()
    judges: tuple[str, ...] = ()
    quarantine: Quarantine | None = None


class Suite(Written):
    """One suite file."""

    suite: Annotated[str, Field(pattern=CASE_ID)]
    description: str | None = None
    prompt: str | InlinePrompt | None = None
    defaults: Defaults = Field(default_factory=Defaults)
    tools: tuple[Annotated[Json, AfterValidator(_named_tool)], ...] = ()
    checks: tuple[CheckEntry, ...] = ()
    judges: tuple[str, ...] = ()
    judge_when: JudgeWhen = "structure_passes"
    gate: GateEntry | None = None
    cases: tuple[Case, ...] = ()
    cases_from: str | tuple[str, ...] = ()


class PlacedCase(Value):
    """A case with the place where it is written; `line` counts from 1."""

    case: Case
    path: Path
    line: int


class LoadedSuite(Value, dict=True):
    """A suite read whole: the cases of `cases_from` included, the defaults merged into every case.

    `suite` is what the file says beside its cases. `given_hash` is that of a suite which is made of another
    one.
    """

    path: Path
    suite: Suite
    cases: tuple[PlacedCase, ...]
    given_hash: str | None = None

    @cached_property
    def written_checks(self) -> tuple[str, ...]:
        """The suite's own checks as `records.canonical` writes them: the hash of each case holds them."""
        return tuple(map(canonical, self.suite.checks))

    @cached_property
    def written_tools(self) -> str:
        """The suite's tools, likewise."""
        return canonical(list(self.suite.tools))

    @cached_property
    def content_hash(self) -> str:
        """The hash of the suite, but for its description, and of its cases, wherever and however ordered.

        Made when it is asked for: a run's first call does not wait for it.
        """
        if self.given_hash is not None:
            return self.given_hash
        excluded = {"description", "defaults", "cases", "cases_from"}
        content = self.suite.model_dump(mode="json", exclude=excluded)
        # A case in quarantine is the same case: its suite is compared with that of yesterday.
        plain = adapter(Case).dump_python
        dumped = [plain(placed.case, mode="json", exclude={"quarantine"}) for placed in self.cases]
        return content_hash({**content, "cases": sorted(dumped, key=lambda case: str(case["id"]))})
