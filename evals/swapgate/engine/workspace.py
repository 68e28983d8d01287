"""A workspace opened: suites made ready to run, with every mistake in them found before the first call."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from swapgate.checks import Check
from swapgate.checks.build import (
    CheckOptionsError,
    build_checks,
    decoding_schema,
    finish_check,
    why_not_checked,
)
from swapgate.engine.again import Again
from swapgate.engine.budget import why_no_price
from swapgate.engine.day_budget import why_no_day
from swapgate.errors import Mistakes, SpecError, UsageError
from swapgate.judging.load import AnyJudge, load_judges
from swapgate.providers.open import require_ready
from swapgate.records import (
    Json,
    Quarantined,
    TrialRole,
    canonical,
    canonical_texts,
    hash_of,
    to_json,
)
from swapgate.spec.extends import judge_files
from swapgate.spec.judges import JudgeSpec
from swapgate.spec.models import Catalogue, ModelSpec, read_catalogue
from swapgate.spec.prompts import Prompt, PromptLibrary, inline_prompt
from swapgate.spec.quarantine import today
from swapgate.spec.read_suites import is_fragment, read_suite
from swapgate.spec.settings import Settings
from swapgate.spec.source import read_yaml, shown_path
from swapgate.spec.suite import InlinePrompt, LoadedSuite, PlacedCase
from swapgate.values import Value, replace

_SUFFIXES = {".yml", ".yaml"}


class ReadyCase(Value):
    """One case with its checks and judges, those of its suite included; `quarantine` only while it holds."""

    placed: PlacedCase
    checks: tuple[Check, ...]
    judges: tuple[AnyJudge, ...]
    content_hash: str
    quarantine: Quarantined | None = None


class ReadySuite(Value):
    """One suite, ready to run; `decoding_schema` is what a prompt with `output: schema` asks for."""

    root: Path
    loaded: LoadedSuite
    prompt: Prompt | None
    decoding_schema: Mapping[str, Json] | None
    cases: tuple[ReadyCase, ...]

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.loaded.suite.suite

    def without_cases(self) -> ReadySuite:
        """Return all of the suite that a trial needs beside its own case."""
        return replace(self, loaded=replace(self.loaded, cases=()), cases=())


class Job(Value, eq=False):
    """One trial to run, equal to itself alone. `baseline` is the model that runs beside, None without one.

    With `again` its stored answer is judged, and its model is not asked.
    """

    suite: ReadySuite
    case: ReadyCase
    model: str
    repeat: int
    role: TrialRole
    baseline: str | None = None
    again: Again | None = None

    @property
    def cluster(self) -> str:
        """The group of trials that count as one, named as `facts.cluster_of` names it."""
        case = self.case.placed.case
        return f"{self.suite.name}/{case.cluster or case.id}"


class Workspace:
    """The files of one workspace, read once. Every method raises UsageError for a mistake in them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.prompts = PromptLibrary(settings.prompts_dir)
        self._judges: dict[str, AnyJudge] = {}
        self._suites: dict[Path, ReadySuite] = {}

    @cached_property
    def catalogue(self) -> Catalogue:
        """The models of `config/models.yml`."""
        return read_catalogue(self.settings.models_file)

    @cached_property
    def seed(self) -> int:
        """The seed of this run: the one that was set, or a drawn one."""
        return secrets.randbelow(2**32) if self.settings.seed is None else self.settings.seed

    @property
    def candidates(self) -> tuple[str, ...]:
        """The models under test."""
        return self.settings.models

    @cached_property
    def baseline_model(self) -> str | None:
        """The baseline when it names a model to run beside; None when it names a stored run."""
        name = self.settings.baseline
        return name if name is not None and (name in self.catalogue.names() or ":" in name) else None

    def roles(self) -> list[tuple[str, TrialRole]]:
        """Return every model that answers cases, the baseline first."""
        roles: list[tuple[str, TrialRole]] = [(name, "candidate") for name in dict.fromkeys(self.candidates)]
        if self.baseline_model is not None:
            if self.baseline_model in self.candidates:
                raise UsageError(
                    f"--baseline={self.baseline_model} is also the model under test: name another one"
                )
            roles.insert(0, (self.baseline_model, "baseline"))
        return roles

    def model(self, name: str) -> ModelSpec:
        """Return the model of this name."""
        return self.catalogue.resolve(name)

    def suite_files(self, paths: Iterable[Path]) -> list[Path]:
        """Return the suite files among and below the paths, sorted; fragments are left out."""
        found: set[Path] = set()
        for path in paths:
            files = path.rglob("*") if path.is_dir() else [path]
            found.update(f for f in files if self.is_suite_file(f))
        return sorted(found)

    def is_suite_file(self, path: Path) -> bool:
        """Whether the path is a YAML file in the cases directories and no fragment of another suite."""
        # Like pytest, past folders, pipes and links that lead nowhere, such as the locks of an editor.
        is_file = path.suffix in _SUFFIXES and self.is_in_cases(path) and path.is_file()
        return is_file and not is_fragment(path)

    def is_in_cases(self, path: Path) -> bool:
        """Whether the path lies below one of the cases directories."""
        return any(path.is_relative_to(folder) for folder in self.settings.cases_dirs)

    def suite(self, path: Path) -> ReadySuite:
        """Return the suite of a file, ready to run."""
        if path not in self._suites:
            ready = self._ready(path)
            self._refuse_namesake(ready)
            self._suites[path] = ready
        return self._suites[path]

    def _refuse_namesake(self, suite: ReadySuite) -> None:
        for other in self._suites.values():
            if other.name == suite.name:
                place = shown_path(other.loaded.path, self.settings.root)
                message = f"the suite {suite.name!r} is already in {place}: give one of them another name"
                raise read_yaml(suite.loaded.path).error(message, "/suite")

    def opened_suites(self) -> list[ReadySuite]:
        """Return the suites read so far."""
        return list(self._suites.values())

    def forget_suites(self) -> None:
        """Let go of the suites read so far: who asks for one from now on has its file read again."""
        self._suites.clear()

    def jobs(self, suite: ReadySuite) -> list[Job]:
        """Return every trial of a suite, case by case, the models side by side within a case."""
        return [
            Job(
                suite=suite,
                case=case,
                model=model,
                repeat=repeat,
                role=role,
                baseline=self.baseline_model,
            )
            for case in suite.cases
            for repeat in range(1, self.settings.repeats + 1)
            for model, role in self.roles()
        ]

    def count_jobs(self, suite: ReadySuite) -> int:
        """Return how many trials `jobs` would return."""
        return len(suite.cases) * self.settings.repeats * len(self.roles())

    def models_of(self, cases: Iterable[ReadyCase], *, also: Iterable[str] = ()) -> dict[str, ModelSpec]:
        """Return every model that a run of these cases may ask: under test, baseline, judges, fallbacks.

        A fallback that cannot be asked is left out: its answer would not count anyway. `also` names models
        that are asked for something else.
        """
        names = [name for name, _role in self.roles()]
        judges = {name for case in cases for judge in case.judges for name in self.models_of_judge(judge)}
        specs = {name: self.model(name) for name in (*names, *sorted(judges), *also)}
        for name in names:
            usable = [f for f in self.catalogue.fallbacks(specs[name]) if not self._why_not_ready(f)]
            specs |= {fallback.name: fallback for fallback in usable}
        return specs

    def models_of_judge(self, judge: AnyJudge) -> tuple[str, ...]:
        """Return the models that a judge asks: its own, and the one whose answers it compares with."""
        is_model = judge.against not in {None, "baseline", "reference"}
        return (*judge.models, judge.against) if is_model and judge.against else judge.models

    def unusable_fallbacks(self) -> list[str]:
        """Return one sentence for each fallback of a model under test that cannot be asked."""
        fallbacks = [f for name, _role in self.roles() for f in self.catalogue.fallbacks(self.model(name))]
        reasons = {f.name: self._why_not_ready(f) for f in fallbacks}
        return [
            f"the fallback {name} will not be tried: {reason}" for name, reason in reasons.items() if reason
        ]

    def require_ready(self, specs: Mapping[str, ModelSpec]) -> None:
        """Refuse to start when a model that may be asked has no key or no weights; say all of them.

        Under a budget also when nobody knows its price.
        """
        missing = [reason for spec in specs.values() if (reason := self._why_not_ready(spec))]
        if (option := self._budget_option()) is not None:
            missing += [reason for spec in specs.values() if (reason := why_no_price(spec, option))]
            missing += why_no_day(self.settings)
        if missing:
            raise UsageError("\n".join(missing))

    def _budget_option(self) -> str | None:
        """Return the option that bounds what is paid, None where nothing is bounded or paid."""
        settings = self.settings
        if settings.cache == "replay":
            return None
        per_day = "--max-cost-per-day" if settings.max_cost_per_day is not None else None
        return "--max-cost" if settings.max_cost is not None else per_day

    def _why_not_ready(self, spec: ModelSpec) -> str:
        """Return why a model cannot be asked, an empty string when it can; --replay asks none."""
        if self.settings.cache == "replay":
            return ""
        try:
            require_ready(spec, self.settings.root)
        except UsageError as error:
            return str(error)
        return ""

    def _ready(self, path: Path) -> ReadySuite:
        loaded = read_suite(path, root=self.settings.root)
        checks: tuple[Check, ...] = ()
        judges: tuple[AnyJudge, ...] = ()
        cases = []
        mistakes = Mistakes()
        with mistakes:
            checks = self._suite_checks(loaded)
        with mistakes:
            judges = self._judges_of(loaded)
        with mistakes:
            prompt = self._prompt(loaded)
        for placed in loaded.cases:
            with mistakes:
                cases.append(self._ready_case(loaded, placed, checks, judges))
        mistakes.refuse()
        if prompt is not None and prompt.output == "schema" and decoding_schema(checks) is None:
            message = (
                f"the prompt {prompt.prompt!r} says `output: schema`, and no check `schema` here gives one"
            )
            raise read_yaml(loaded.path).error(f"{message}: add the check, or say `output: json`", "/prompt")
        return ReadySuite(
            root=self.settings.root,
            loaded=loaded,
            prompt=prompt,
            decoding_schema=decoding_schema(checks),
            cases=tuple(cases),
        )

    def _ready_case(
        self,
        loaded: LoadedSuite,
        placed: PlacedCase,
        checks: tuple[Check, ...],
        judges: tuple[AnyJudge, ...],
    ) -> ReadyCase:
        """Return the case with the suite's checks and judges, the same tuples where it adds none."""
        if placed.case.checks:
            checks = (*checks, *self._case_checks(placed, taken=[check.name for check in checks]))
        if placed.case.judges:
            judges = self._judges_of(loaded, placed.case.judges)
        self._require_checked(checks, placed)
        for judge in judges:
            self._require_judged(judge, placed)
        return ReadyCase(
            placed=placed,
            checks=checks,
            judges=judges,
            content_hash=case_hash(loaded, placed, expected=placed.case.expected),
            quarantine=self._quarantine(placed),
        )

    def _quarantine(self, placed: PlacedCase) -> Quarantined | None:
        """Return the case's quarantine where it holds today; refuse one that hardly ends."""
        written, day = placed.case.quarantine, today()
        if written is None or not written.holds_on(day):
            return None
        if why_not := written.why_not(day):
            shown = shown_path(placed.path, self.settings.root)
            raise SpecError(f"case {placed.case.id!r}: {why_not}", path=shown, line=placed.line)
        return Quarantined(reason=written.reason, until=written.until.isoformat(), by=written.by)

    def _suite_checks(self, loaded: LoadedSuite) -> tuple[Check, ...]:
        folder, root = loaded.path.parent, self.settings.root
        try:
            written = build_checks(loaded.suite.checks, base=folder, root=root)
        except CheckOptionsError as error:
            document, mistakes = read_yaml(loaded.path), Mistakes()
            for one in (error, *error.further):
                mistakes.note(document.error(str(one), f"/checks/{one.index}{one.pointer}"))
            raise mistakes.together() from error
        says_itself = any(check.name.startswith("finish_reason") for check in written)
        return tuple(written) if says_itself else (finish_check(), *written)

    def _case_checks(self, placed: PlacedCase, *, taken: Sequence[str]) -> tuple[Check, ...]:
        folder, root = placed.path.parent, self.settings.root
        try:
            return tuple(build_checks(placed.case.checks, base=folder, root=root, taken=taken))
        except CheckOptionsError as error:
            shown, mistakes = shown_path(placed.path, root), Mistakes()
            for one in (error, *error.further):
                message = f"in case {placed.case.id!r}: {one}"
                mistakes.note(SpecError(message, path=shown, line=placed.line))
            raise mistakes.together() from error

    def _prompt(self, loaded: LoadedSuite) -> Prompt | None:
        written = loaded.suite.prompt
        if isinstance(written, InlinePrompt):
            return inline_prompt(written, name=loaded.suite.suite)
        if written is None:
            return None
        try:
            return self.prompts.get(written)
        except UsageError as error:
            raise self._placed(error, loaded.path, "/prompt") from error

    def judge(self, name: str) -> AnyJudge:
        """Return the judge of this name, whose models are known."""
        if name not in self._judges:
            folder, root = self.settings.judges_dir, self.settings.root
            judge = load_judges([name], judges_dir=folder, root=root)[name]
            self._require_models_of(judge)
            self._judges[name] = judge
        return self._judges[name]

    def _judges_of(self, loaded: LoadedSuite, further: Sequence[str] = ()) -> tuple[AnyJudge, ...]:
        """Return the suite's judges and a case's further ones, each once."""
        judges = []
        mistakes = Mistakes()
        for name in dict.fromkeys((*loaded.suite.judges, *further)):
            with mistakes:
                try:
                    judges.append(self.judge(name))
                except UsageError as error:
                    raise self._placed(error, loaded.path, "/judges") from error
        mistakes.refuse()
        return tuple(judges)

    def _require_checked(self, checks: Iterable[Check], placed: PlacedCase) -> None:
        """Refuse a case that lacks what a check compares with: its answers would be paid for nothing."""
        for name, why_not in why_not_checked(checks, placed.case.expected):
            message = f"the check {name!r} cannot check case {placed.case.id!r}: {why_not}"
            raise SpecError(message, path=shown_path(placed.path, self.settings.root), line=placed.line)

    def _require_judged(self, judge: AnyJudge, placed: PlacedCase) -> None:
        """Refuse a case that lacks what one of its judges needs."""
        if why_not := judge.why_not(placed.case.expected):
            message = f"the judge {judge.spec.judge!r} cannot judge case {placed.case.id!r}: {why_not}"
            raise SpecError(message, path=shown_path(placed.path, self.settings.root), line=placed.line)

    def _require_models_of(self, judge: AnyJudge) -> None:
        placed = list(judge.spec.placed_models()) if isinstance(judge.spec, JudgeSpec) else []
        placed += [("/against", name) for name in self.models_of_judge(judge) if name not in judge.models]
        for pointer, name in placed:
            try:
                self.model(name)
            except UsageError as error:
                file = judge_files(self.settings.judges_dir)[judge.spec.judge]
                raise self._placed(error, file, pointer) from error

    @staticmethod
    def _placed(error: UsageError, path: Path, pointer: str) -> SpecError:
        """Say where the name was used, unless the error already names a place of its own."""
        return error if isinstance(error, SpecError) else read_yaml(path).error(str(error), pointer)


def case_hash(loaded: LoadedSuite, placed: PlacedCase, *, expected: Json) -> str:
    """Return the hash of all that makes this the same case: what is asked, expected and checked.

    `expected` is the case's own, or an earlier one: when that fits, nothing else has changed.
    """
    case = placed.case
    checks = ",".join((*loaded.written_checks, *map(canonical, case.checks)))
    messages = canonical([to_json(message) for message in case.messages])
    return hash_of(
        f'{{"checks":[{checks}],"expected":{canonical(expected)},"input":{canonical_texts(case.input)},'
        f'"messages":{messages},"tools":{loaded.written_tools}}}'
    )
