"""The questions: a suite of the workspace whose prompt shows what was found."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.engine.again import Again
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace, case_hash
from swapgate.errors import ErrorKind, PromptError, SpecError, UsageError
from swapgate.judging.load import AnyJudge
from swapgate.records import Trial, TrialError, content_hash
from swapgate.retrieval.answering.texts import Retrieved, Texts
from swapgate.retrieval.index import SIDES, Side
from swapgate.retrieval.verifying.queries import Query
from swapgate.spec.index_answers import AnswersEntry
from swapgate.spec.prompts import render
from swapgate.spec.source import shown_path, why_no_file
from swapgate.spec.suite import PlacedCase
from swapgate.values import Value, replace

# The number of a case that says whether its right text was found: reports hold failures against it.
FOUND = "found"
_PROBE = "swapgate looks for this text"


class Questions(Value):
    """The questions as they are written, with the judges that are asked beside those of the suite."""

    entry: AnswersEntry
    suite: ReadySuite
    faithfulness: AnyJudge | None
    retrieval: AnyJudge | None

    @property
    def cases(self) -> tuple[ReadyCase, ...]:
        """The questions that count: those in quarantine are left out."""
        return tuple(case for case in self.suite.cases if case.quarantine is None)

    @property
    def queries(self) -> list[Query]:
        """What the indexes are asked."""
        return [
            Query(id=one.placed.case.id, text=self.text(one), slices=one.placed.case.tags)
            for one in self.cases
        ]

    def text(self, case: ReadyCase) -> str:
        """Return the question's words."""
        return str(case.placed.case.input[self.entry.question])

    def suite_name(self, side: Side) -> str:
        """Return the name of the suite that a side's answers are recorded under."""
        return f"{self.suite.name}.{side}-index"


def read_questions(workspace: Workspace, entry: AnswersEntry) -> Questions:
    """Return the questions; UsageError for whatever keeps them from being asked or judged."""
    path = workspace.settings.root / entry.suite
    if not path.is_file():
        raise UsageError(f"answers: suite: {entry.suite}: {why_no_file(path)}")
    for name in (entry.control, entry.candidate):
        workspace.model(name)
    suite = workspace.suite(path)
    faithfulness, retrieval = (
        workspace.judge(name) if name is not None else None for name in (entry.faithfulness, entry.retrieval)
    )
    found = Questions(entry=entry, suite=suite, faithfulness=faithfulness, retrieval=retrieval)
    if not found.cases:
        raise UsageError(f"answers: suite: {entry.suite}: every question is in quarantine")
    for case in found.cases:
        _require_question(case, found)
    _require_shown(workspace, found)
    return found


def arm_suites(questions: Questions, retrieved: Retrieved) -> tuple[ReadySuite, ReadySuite]:
    """Return the suite once for each index: its questions with what that index found."""
    old, new = (_arm_suite(questions, retrieved, side) for side in SIDES)
    return old, new


def arm_jobs(
    workspace: Workspace, suites: Sequence[ReadySuite], questions: Questions, retrieved: Retrieved
) -> list[Job]:
    """Return every trial, question by question with all four arms side by side: a bad minute hits all.

    Where an index did not answer, the trial is an error, and no model is asked.
    """
    by_case: dict[str, list[Job]] = {}
    for side, suite in zip(SIDES, suites, strict=True):
        for job in workspace.jobs(suite):
            name = job.case.placed.case.id
            by_case.setdefault(name, []).append(_or_error(job, retrieved.of(name, side), side))
    return [job for jobs in by_case.values() for job in jobs]


def _arm_suite(questions: Questions, retrieved: Retrieved, side: Side) -> ReadySuite:
    written = questions.suite.loaded
    texts = {case.placed.case.id: retrieved.of(case.placed.case.id, side) for case in questions.cases}
    placed = [
        _with_texts(case.placed, texts[case.placed.case.id], questions.entry) for case in questions.cases
    ]
    loaded = replace(
        written,
        suite=written.suite.model_copy(update={"suite": questions.suite_name(side), "gate": None}),
        cases=tuple(placed),
        given_hash=content_hash([written.content_hash, {name: t.shown for name, t in texts.items()}]),
    )
    extra = () if questions.faithfulness is None else (questions.faithfulness,)
    cases = tuple(
        replace(
            case,
            placed=one,
            judges=(*(j for j in case.judges if j not in extra), *extra),
            content_hash=case_hash(loaded, one, expected=one.case.expected),
        )
        for case, one in zip(questions.cases, placed, strict=True)
    )
    return replace(questions.suite, loaded=loaded, cases=cases)


def _with_texts(placed: PlacedCase, texts: Texts, entry: AnswersEntry) -> PlacedCase:
    case = placed.case
    numbers = {} if texts.is_right is None else {FOUND: float(texts.is_right)}
    asked = replace(
        case,
        input={**case.input, entry.context: texts.shown},
        covariates={**case.covariates, **numbers},
    )
    return replace(placed, case=asked)


def _or_error(job: Job, texts: Texts, side: Side) -> Job:
    if texts.error is None:
        return job
    case = job.case.placed.case
    blank = Trial(suite=job.suite.name, case=case.id, model=job.model)
    message = f"the {side} index did not answer: {texts.error}"
    error = TrialError(kind=ErrorKind.CONNECTION, message=message)
    return replace(job, again=Again(trial=blank, error=error))


def _require_question(case: ReadyCase, questions: Questions) -> None:
    entry, placed = questions.entry, case.placed
    words, root = placed.case.input.get(entry.question), questions.suite.root
    if reason := _why_no_question(words, case, questions):
        shown = shown_path(placed.path, root)
        raise SpecError(f"case {placed.case.id!r}: {reason}", path=shown, line=placed.line)


def _why_no_question(words: object, case: ReadyCase, questions: Questions) -> str:
    """Return why a case cannot be asked and judged, an empty string when it can."""
    entry, written = questions.entry, case.placed.case
    if not isinstance(words, str) or not words.strip():
        return (
            f"its input has no text under {entry.question!r} to search for. Name the variable that holds the "
            "question with `answers: {question: NAME}`"
        )
    if entry.context in written.input:
        return f"its input holds {entry.context!r} already, which is what the indexes find: take it out"
    extra = (questions.faithfulness, questions.retrieval)
    for judge in (*case.judges, *(one for one in extra if one is not None)):
        if judge.against is not None:
            return f"the judge {judge.spec.judge!r} compares two answers, and here each is judged by itself"
        if reason := judge.why_not(written.expected):
            return f"the judge {judge.spec.judge!r} cannot judge it: {reason}"
    if not any(one is not questions.faithfulness for one in case.judges) and not any(
        check.kind == "semantic" for check in case.checks
    ):
        return "nothing says whether an answer is right: add a judge or the check `expected` to the suite"
    return ""


def _require_shown(workspace: Workspace, questions: Questions) -> None:
    """Refuse a prompt that does not show one of the models what was found."""
    entry, suite = questions.entry, questions.suite
    first = questions.cases[0].placed.case
    variables = {**first.input, entry.context: _PROBE}
    for name in (entry.control, entry.candidate):
        try:
            rendered = render(
                suite.prompt, model=workspace.model(name), variables=variables, messages=first.messages
            )
        except PromptError as exc:
            raise UsageError(
                f"answers: {entry.suite}: the prompt cannot be filled for {name}: {exc}"
            ) from exc
        if not any(_PROBE in message.content for message in rendered.messages):
            raise UsageError(
                f"answers: {entry.suite}: the prompt does not show {name} what was found: write "
                f"{{{{ {entry.context} }}}} into it, or name its variable with `answers: {{context: NAME}}`"
            )
