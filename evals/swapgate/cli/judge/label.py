"""`swapgate judge label`: people answer for responses that a judge has judged, blind to its verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown, warn
from swapgate.errors import UsageError
from swapgate.here import login

if TYPE_CHECKING:
    from swapgate.labelling.prepare import Labelling
    from swapgate.spec.settings import Settings

LONGEST_NAME = 200


class Sample(StrEnum):
    """How responses are drawn."""

    RANDOM = "random"
    BY_VERDICT = "by-verdict"


class Ask(StrEnum):
    """What people are asked for."""

    VERDICT = "verdict"
    SCORES = "scores"


def label(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's id, `MODEL@RUN`, `latest`, or the path of a report.json."
        ),
    ],
    *,
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="NAME", help="Default: the only judge of the run.")
    ] = None,
    annotator: Annotated[
        str | None,
        typer.Option("--annotator", metavar="NAME", help="Who answers. Default: the user's name here."),
    ] = None,
    sample: Annotated[
        Sample | None,
        typer.Option("--sample", help="How responses are drawn. Default: by-verdict."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, metavar="N", help="How many are drawn; more later adds. Default: 60."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Of the draw and its order. Default: 0.")
    ] = None,
    ask: Annotated[
        Ask | None,
        typer.Option("--ask", help="Pass or fail, or a score of each criterion. Default: verdict."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The label file. Default: judges/NAME.labels.jsonl."),
    ] = None,
    reuse: Annotated[
        Path | None,
        typer.Option(
            "--reuse", metavar="FILE", help="Take over what people said of the same responses in this file."
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page to click on, in place of a session."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Read the answers that the page's button saved."),
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label a sample of a run's responses: one keystroke each, blind, every answer stored at once."""
    if page is not None and answers is not None:
        raise UsageError("--html and --import exclude each other: one writes the page, the other reads it")
    from swapgate.labelling.prepare import Wanted

    settings = open_settings(root)
    for given, option in ((answers, "--import"), (reuse, "--reuse")):
        if given is not None and not given.is_file():
            raise UsageError(f"{option}: no file {str(given)!r}")
    wanted = Wanted(
        judge=judge,
        design=None if sample is None else "random" if sample is Sample.RANDOM else "by_verdict",
        count=count,
        seed=seed,
        asked=None if ask is None else "scores" if ask is Ask.SCORES else "verdict",
        out=out,
        reuse=reuse,
    )
    who = _name(annotator)
    labelling = _prepared(run, wanted, settings)
    for message in labelling.warnings:
        warn(message)
    if page is not None:
        told = _page(labelling, page, settings)
    elif answers is not None:
        told = _imported(labelling, answers, settings)
    else:
        told = _session(labelling, who, settings, as_json=as_json)
    if as_json:
        print_json({**_facts(labelling), **told})
    else:
        typer.echo(told["message"])


def _prepared(run: str, wanted: Any, settings: Settings) -> Labelling:
    from swapgate.labelling.prepare import prepare
    from swapgate.runs.stored import load_run

    found, trials = load_run(run, settings)
    model = "" if run.endswith(".json") else run.rpartition("@")[0]
    name = f"{model}@{found.id}" if model else found.id
    return prepare(trials, wanted, run=name, judges_dir=settings.judges_dir, root=settings.root)


def _page(labelling: Labelling, path: Path, settings: Settings) -> Mapping[str, Any]:
    from swapgate.labelling.inputs import case_inputs
    from swapgate.labelling.page import write_page

    write_page(labelling, case_inputs(settings), path)
    message = (
        f"page: {shown(path.absolute())}, {len(labelling.responses)} responses. Open it in a browser, "
        "download the labels there, and give the file to the same command with --import for --html"
    )
    return {"page": str(path), "message": message}


def _imported(labelling: Labelling, path: Path, settings: Settings) -> Mapping[str, Any]:
    from swapgate.labelling.page import read_answers

    rows = read_answers(path, labelling, root=settings.root)
    labelling.file.add(rows)
    names = sorted({row.annotator for row in rows if row.annotator})
    message = f"{len(rows)} new answers{' of ' + ', '.join(names) if names else ''}: {_next(labelling)}"
    return {"imported": len(rows), "annotators": names, "message": message}


def _session(labelling: Labelling, annotator: str, settings: Settings, *, as_json: bool) -> Mapping[str, Any]:
    from swapgate.labelling.inputs import case_inputs
    from swapgate.labelling.keys import open_keys
    from swapgate.labelling.label_file import label_row
    from swapgate.labelling.responses import shown as shown_response
    from swapgate.labelling.screen import Screen
    from swapgate.labelling.session import Given, Session
    from swapgate.spec.labels import LabelledVerdict

    by_id, file = labelling.by_id, labelling.file
    answered = file.answered(annotator, labelling.responses)

    def store(name: str, given: Given) -> LabelledVerdict:
        row = label_row(
            by_id[name],
            annotator=annotator,
            truth=given.truth,
            truth_scores=given.scores,
            note=given.note,
            is_revised=(annotator, name) in file.answers,
        )
        file.add([row])
        return row

    inputs = case_inputs(settings)
    screen = Screen(sys.stderr if as_json else sys.stdout)
    if file.is_mended:
        warn(f"{file.shown}: the last answer was cut off when a session died, and is asked again")
    with open_keys() as keys:
        session = Session(
            [shown_response(response, inputs) for response in labelling.responses],
            labelling.question,
            answers=answered,
            store=store,
            keys=keys,
            screen=screen,
        )
        session.run()
    done = len(labelling.responses) - session.left
    state = f"{done} of {len(labelling.responses)} answered by {annotator}"
    again = "" if session.left == 0 else "; the same command goes on from here"
    return {
        "annotator": annotator,
        "answered": done,
        "left": session.left,
        "message": f"{state}{again}: {_next(labelling)}",
    }


def _next(labelling: Labelling) -> str:
    name = labelling.draw.judge
    return f"{labelling.file.shown}. `swapgate judge calibrate {name}` says what they show"


def _facts(labelling: Labelling) -> dict[str, Any]:
    draw = labelling.draw.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"file": str(labelling.file.path), "draw": draw}


def _name(given: str | None) -> str:
    """Return the annotator's name; UsageError for one that no file should carry."""
    name = (given if given is not None else _user()).strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UsageError(
            f"--annotator {name[:LONGEST_NAME]!r}: write a name of 1 to {LONGEST_NAME} characters"
        )
    return name


def _user() -> str:
    name = login()
    if name is None:
        raise UsageError("nobody knows who you are: name yourself with --annotator")
    return name
