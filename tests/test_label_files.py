"""Label files: what is read, what counts when several people answer, what a torn or wrong line comes to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.errors import SpecError, UsageError
from swapgate.labelling.label_file import LabelFile
from swapgate.spec.labels import LabelledVerdict, agreed, read_label_lines

HASH = "ab" * 32
DRAW = {
    "judge": "qa",
    "judge_hash": HASH,
    "run": "run-1",
    "design": "by_verdict",
    "seed": 0,
    "count": 2,
    "drawn": {"pass": 1, "fail": 1},
    "population": {"new": {"pass": 8, "fail": 2}},
}


def row(response: str = "aa11aa11", truth: str = "pass", annotator: str | None = "ann", **more: object):
    named = {} if annotator is None else {"annotator": annotator}
    return {"response": response, "verdict": "pass", "truth": truth, **named, **more}


def read(path: Path, *rows: object):
    file = path / "qa.labels.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return read_label_lines(file, path)


def test_the_majority_of_people_is_the_truth(tmp_path):
    people = [row(truth=t, annotator=a) for a, t in (("ann", "fail"), ("bob", "pass"), ("eve", "fail"))]
    found = agreed(read(tmp_path, {"draw": DRAW}, *people).rows)
    assert [one.truth for one in found.rows] == ["fail"]
    assert len(found.written) == 3


def test_ties_and_skips_are_left_out_and_counted(tmp_path):
    found = agreed(
        read(
            tmp_path,
            row(truth="pass"),
            row(truth="fail", annotator="bob"),
            row("bb22bb22", truth="skip"),
            row("cc33cc33", truth="skip"),
            row("cc33cc33", truth="fail", annotator="bob"),
            row("dd44dd44", verdict=None),
        ).rows
    )
    assert (found.ties, found.skipped, found.unread) == (1, 1, 1)
    assert [(one.response, one.truth) for one in found.rows] == [("cc33cc33", "fail")]


def test_a_revision_takes_the_place_of_the_earlier_answer_and_keeps_its_note(tmp_path):
    found = agreed(read(tmp_path, row(note="unsure"), row(truth="fail", revised=True)).rows)
    assert [(one.truth, one.note) for one in found.written] == [("fail", "unsure")]


def test_scores_of_several_people_are_averaged(tmp_path):
    people = [row(annotator=a, truth_scores={"fit": s}) for a, s in (("ann", 4), ("bob", 5))]
    assert agreed(read(tmp_path, *people).rows).rows[0].truth_scores == {"fit": 4.5}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row(), row(truth="fail")],
            "qa.labels.jsonl:2: 'ann' has already labelled the response to aa11aa11 at qa.labels.jsonl:1: "
            "keep one label, or write `revised: true` into the later one",
        ),
        (
            [row(), row(annotator="bob", verdict="fail")],
            "qa.labels.jsonl:2: the verdict on this response is 'fail' here and 'pass' at qa.labels.jsonl:1: "
            "keep labels of two definitions of a judge in two files",
        ),
        ([row(truth="yes")], "qa.labels.jsonl:1: 'truth' must be 'pass', 'fail' or 'skip', got 'yes'"),
        (
            [{"draw": {**DRAW, "design": "by_label"}}],
            "qa.labels.jsonl:1: 'draw.design' must be 'random' or 'by_verdict', got 'by_label'",
        ),
        ([row(annotater="x")], "qa.labels.jsonl:1: unknown key 'annotater' in a label."),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path, rows, message):
    with pytest.raises(SpecError) as caught:
        agreed(read(tmp_path, *rows).rows)
    assert str(caught.value).startswith(message)


def test_numbers_that_are_none_are_refused(tmp_path):
    (tmp_path / "qa.labels.jsonl").write_text('{"verdict": "pass", "truth": "pass", "scores": {"a": NaN}}\n')
    with pytest.raises(SpecError, match="NaN is no number of JSON"):
        read_label_lines(tmp_path / "qa.labels.jsonl", tmp_path)


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["aa11aa11", "bb22bb22", "cc33cc33"]),
        st.sampled_from(["pass", "fail", "skip"]),
        st.sampled_from(["ann", "bob", None]),
        revised=st.booleans(),
        note=st.none() | st.text(max_size=5),
    ),
    max_size=12,
)


@given(ROWS)
def test_any_rows_are_read_or_refused_with_their_line(tmp_path_factory, rows):
    lines = read(tmp_path_factory.mktemp("labels"), *rows)
    try:
        found = agreed(lines.rows)
    except SpecError as exc:
        assert exc.line in range(2, len(rows) + 1)
        return
    responses = {one["response"] for one in rows}
    assert len(found.rows) + found.ties + found.skipped + found.unread == len(responses)
    assert {(one.annotator, one.response) for one in found.written} == {
        (one.get("annotator"), one["response"]) for one in rows
    }


@given(st.binary(max_size=200))
def test_any_bytes_are_labels_or_a_message_with_their_place(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("labels") / "qa.labels.jsonl"
    file.write_bytes(content)
    try:
        agreed(read_label_lines(file, file.parent).rows)
    except UsageError as exc:
        assert str(exc).startswith("qa.labels.jsonl:")


def labels_of(path: Path) -> LabelFile:
    return LabelFile(path, root=path.parent)


@given(st.integers(min_value=1, max_value=400))
def test_a_file_cut_anywhere_loses_at_most_the_answer_that_was_being_written(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("labels") / "qa.labels.jsonl"
    text = json.dumps({"draw": DRAW}) + "\n" + json.dumps(row()) + "\n" + json.dumps(row("bb22bb22")) + "\n"
    path.write_bytes(text.encode()[:-cut])
    whole = path.read_bytes().count(b"\n")
    file = labels_of(path)
    found = len(file.draws) + len(file.rows)
    # A line without its end may be whole all the same.
    assert found in (whole, whole + 1)
    file.add([LabelledVerdict.model_validate(row("dd44dd44"))])
    assert ("ann", "dd44dd44") in labels_of(path).answers


def test_a_file_that_is_no_label_file_is_never_mended(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text('{"verdict": "pass", "tru')
    with pytest.raises(SpecError):
        labels_of(path)
    assert path.read_text() == '{"verdict": "pass", "tru'
