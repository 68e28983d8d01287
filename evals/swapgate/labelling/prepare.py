"""A labelling made ready: what is drawn from a run, the file it goes to, the question that is asked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from swapgate.errors import UsageError
from swapgate.judging.load import AnyJudge, load_judges
from swapgate.labelling.draw import Sampling, drawn_responses, make_draw
from swapgate.labelling.label_file import LabelFile, label_row
from swapgate.labelling.question import Question
from swapgate.labelling.responses import JudgedResponse, JudgedRun, judged_run
from swapgate.records import Trial
from swapgate.spec.labels import Draw
from swapgate.values import Value

DEFAULT_COUNT = 60
Asked = Literal["verdict", "scores"]


class Wanted(Value):
    """What a person asks of a labelling; None where it does not matter, or stays as it was."""

    judge: str | None = None
    design: Sampling | None = None
    count: int | None = None
    seed: int | None = None
    asked: Asked | None = None
    out: Path | None = None
    reuse: Path | None = None


class Labelling(Value):
    """What is to be labelled, in order, and where the answers go."""

    file: LabelFile
    draw: Draw
    responses: tuple[JudgedResponse, ...]
    question: Question
    judge: AnyJudge

    @property
    def by_id(self) -> dict[str, JudgedResponse]:
        """The drawn responses by their ids."""
        return {response.id: response for response in self.responses}

    @property
    def warnings(self) -> list[str]:
        """What a person should know before the first answer."""
        found, draw = [], self.draw
        if self.judge.definition_hash != draw.judge_hash:
            found.append(
                f"the judge {draw.judge!r} has changed since the run: these are verdicts of definition "
                f"{draw.judge_hash[:8]}, and labels of them do not hold for the judge as it is now "
                f"({self.judge.definition_hash[:8]})"
            )
        if not (draw.drawn.passing and draw.drawn.failing):
            only = "failing" if draw.drawn.failing else "passing"
            found.append(f"only {only} verdicts were drawn: such labels alone cannot correct a rate")
        return found


def prepare(trials: Iterable[Trial], wanted: Wanted, *, run: str, judges_dir: Path, root: Path) -> Labelling:
    """Return a labelling of a run. What was drawn before stays; a larger count adds to it."""
    found = judged_run(trials, wanted.judge)
    judge = load_judges([found.judge], judges_dir=judges_dir)[found.judge]
    file = LabelFile(_path(wanted.out, judges_dir, found.judge), root=root)
    file.require_judge(found.judge, found.judge_hash)
    other = None if wanted.reuse is None else LabelFile(wanted.reuse, root=root)
    draw = _draw(found, file, wanted, run=run, rule=_people_rule(judge, other))
    question = Question.of(judge, draw.asked, rule=draw.rule)
    if draw not in file.draws:
        file.add_draw(draw)
    responses = drawn_responses(found, draw)
    if other is not None:
        _reuse(file, other, responses)
    return Labelling(
        file=file,
        draw=draw,
        responses=tuple(responses),
        question=question,
        judge=judge,
    )


def default_path(judges_dir: Path, judge: str) -> Path:
    """Return the label file of a judge, unless another one is named."""
    return judges_dir / f"{judge}.labels.jsonl"


def _path(out: Path | None, judges_dir: Path, judge: str) -> Path:
    if out is None:
        return default_path(judges_dir, judge)
    if out.suffix != ".jsonl":
        raise UsageError(f"--out {str(out)!r}: labels are written to a .jsonl file, a label a line")
    return out


def _people_rule(judge: AnyJudge, other: LabelFile | None) -> str:
    """Return what makes a pass of people's scores: theirs does not move when the judge's does."""
    rules = [draw.rule for draw in other.draws if draw.rule] if other else []
    return rules[-1] if rules else judge.rule.text


def _draw(found: JudgedRun, file: LabelFile, wanted: Wanted, *, run: str, rule: str) -> Draw:
    """Return the run's draw in the file, or a new one that agrees with the draws that the file holds."""
    earlier = file.draw_of(run)
    like = earlier or (file.draws[-1] if file.draws else None)
    _refuse_other(file, wanted, like)
    if earlier is not None and earlier.population != found.population:
        raise UsageError(
            f"run {run} holds other verdicts than when {file.shown} was drawn from it: name another --out, "
            f"and take the answers over with --reuse {file.shown}"
        )
    count = wanted.count or (earlier.count if earlier else DEFAULT_COUNT)
    if earlier is not None and count <= earlier.count:
        return earlier
    asked = like.asked if like else wanted.asked or "verdict"
    return make_draw(
        found,
        run=run,
        design=like.design if like else wanted.design or "by_verdict",
        seed=like.seed if like else wanted.seed or 0,
        count=count,
        pilot=file.rows,
        earlier=earlier,
        asked=asked,
        rule=(like.rule if like else rule) if asked == "scores" else None,
    )


def _refuse_other(file: LabelFile, wanted: Wanted, like: Draw | None) -> None:
    """Refuse an option that contradicts what the file was begun with: one file has one design."""
    if like is None:
        return
    for option, asked, there in (
        ("--sample", wanted.design, like.design),
        ("--seed", wanted.seed, like.seed),
        ("--ask", wanted.asked, like.asked),
    ):
        if asked is not None and asked != there:
            said = str(there).replace("_", "-")
            raise UsageError(
                f"{option}: {file.shown} was begun with {said}: leave the option away, or name another --out"
            )


def _reuse(file: LabelFile, other: LabelFile, responses: Iterable[JudgedResponse]) -> None:
    """Take over the answers of another file to responses that are drawn here too."""
    here = {response.id: response for response in responses}
    file.add(
        label_row(
            here[row.response],
            annotator=row.annotator or "",
            truth=row.truth,
            truth_scores=row.truth_scores,
            note=row.note,
            is_reused=True,
        )
        for (annotator, response), row in other.answers.items()
        if response in here and annotator and (annotator, response) not in file.answers and row.response
    )
