"""Whether the right text was found: by labels, and where none says so by a judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw, judge_only
from swapgate.engine.workspace import Job, Workspace
from swapgate.errors import UsageError
from swapgate.records import Answer, Response, Trial
from swapgate.retrieval.answering.questions import Questions
from swapgate.retrieval.answering.texts import Retrieved, Texts, by_labels
from swapgate.retrieval.index import SIDES, Side
from swapgate.retrieval.verifying.labels import Labels, read_labels
from swapgate.spec.source import why_no_file
from swapgate.values import Value, replace


class ToJudge(Value):
    """The texts of one index for one question, and the job that shows them to the judge."""

    question: str
    side: Side
    job: Job


def labelled(retrieved: Retrieved, questions: Questions) -> Retrieved:
    """Return the texts with what the labels say of them; those that have none stay unknown.

    Raises UsageError or SpecError for a file of labels that cannot be used.
    """
    entry, root = questions.entry, questions.suite.root
    if entry.qrels is None:
        return retrieved
    path = root / entry.qrels
    if not path.is_file():
        raise UsageError(f"answers: qrels: {entry.qrels}: {why_no_file(path)}")
    labels = read_labels(path, asked={one.id for one in questions.queries}, root=root)
    texts = {
        name: {side: _by_labels(found, name, labels, entry.relevant_from) for side, found in of_side.items()}
        for name, of_side in retrieved.texts.items()
    }
    return replace(retrieved, texts=texts)


def to_judge(retrieved: Retrieved, questions: Questions) -> list[ToJudge]:
    """Return what the judge of the retrieval is to be asked; what is decided, or not known, is left out."""
    return list(_to_judge(retrieved, questions))


def judged(
    retrieved: Retrieved,
    wanted: list[ToJudge],
    workspace: Workspace,
    *,
    draw: Draw = lambda _progress: None,
) -> Retrieved:
    """Return the texts with what the judge says of them; what it could not say stays unknown, and is told."""
    if not wanted:
        return retrieved
    done = judge_only(workspace, [one.job for one in wanted], draw=draw, spent_usd=retrieved.paid_usd)
    texts = {name: dict(of_side) for name, of_side in retrieved.texts.items()}
    errors = []
    for one, finished in zip(wanted, done.finished, strict=True):
        trial = finished.trial
        assert trial is not None
        if trial.error is not None:
            errors.append(trial.error.message)
        passed = None if trial.error is not None else trial.semantic_passed
        texts[one.question][one.side] = replace(texts[one.question][one.side], is_right=passed)
    told = [
        f"the judge of the retrieval gave no verdict on {len(errors):,} of {len(wanted):,} searches: {first}"
        for first in errors[:1]
    ]
    return replace(
        retrieved,
        texts=texts,
        paid_usd=retrieved.paid_usd + done.paid_usd,
        notes=(*retrieved.notes, *told),
    )


def _by_labels(found: Texts, question: str, labels: Labels, relevant_from: int) -> Texts:
    return replace(found, is_right=by_labels(found, question, labels, relevant_from=relevant_from))


def _to_judge(retrieved: Retrieved, questions: Questions) -> Iterator[ToJudge]:
    judge, written = questions.retrieval, questions.suite.loaded
    if judge is None:
        return
    renamed = written.suite.model_copy(update={"suite": f"{questions.suite.name}.retrieval"})
    suite = replace(questions.suite, loaded=replace(written, suite=renamed))
    for case in questions.cases:
        own = replace(case, checks=(), judges=(judge,))
        name = case.placed.case.id
        for side in SIDES:
            found = retrieved.of(name, side)
            if found.error is None and found.is_right is None:
                answer = Answer(response=Response(text=found.shown), model=f"{side}-index", from_cache=True)
                trial = Trial(suite=suite.name, case=name, model=f"{side}-index", answer=answer)
                job = Job(
                    suite=suite,
                    case=own,
                    model=f"{side}-index",
                    repeat=1,
                    role="candidate",
                    again=Again(trial=trial),
                )
                yield ToJudge(question=name, side=side, job=job)


def found_by(retrieved: Retrieved, question: str) -> Mapping[Side, bool | None]:
    """Return of which indexes the texts of a question are right."""
    return {side: retrieved.of(question, side).is_right for side in SIDES}
