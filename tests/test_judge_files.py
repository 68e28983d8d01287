"""Judges' files of every kind: what is refused at which line, what `extends` makes, and the library."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from swapgate.cli import main
from swapgate.errors import SpecError, UsageError
from swapgate.judging.definition import call_hash
from swapgate.judging.judge import Judge
from swapgate.judging.load import load_judges, ready
from swapgate.spec.extends import LIBRARY, library_files, merged_over
from swapgate.spec.judge_kinds import KINDS, ChecklistSpec
from swapgate.spec.judges import JudgeHead, JudgeSpec, RubricSpec
from swapgate.spec.read_judges import read_judge, read_library_judge
from swapgate.spec.schemas import json_schemas
from swapgate.spec.yaml_core import read_document
from workspaces import lay

ROOT = Path(__file__).parents[1]
WRITTEN = {
    "checklist": (
        "kind: checklist\nmodel: m\nitems:\n  a: Is it so?\n  b: {ask: Is it not?, forbidden: true}\n"
    ),
    "reference": "kind: reference\nmodel: m\n",
    "classifier": (
        "kind: classifier\nmodel: m\nask: What is it?\nlabels:\n  good: fine\n  bad: poor\npass: [good]\n"
    ),
    "pairwise": "kind: pairwise\nmodel: m\n",
    "similarity": "kind: similarity\nembed: vectors:embed\npass: similarity >= 0.5\n",
    "python": "kind: python\ncall: scorers:score\n",
}


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(f"judge: {name}\n{text}")
    return path


def read(folder: Path, text: str, name: str = "mine") -> JudgeHead:
    return read_judge(written(folder, text, name))


@pytest.mark.parametrize(
    ("kind", "old", "new", "line", "problem"),
    [
        (
            "checklist",
            "checklist",
            "checklst",
            2,
            "unknown kind of judge 'checklst'.*Did you mean 'checklist'",
        ),
        ("checklist", "kind: checklist", "kind: [a]", 2, r"unknown kind of judge \['a'\]"),
        ("checklist", "  a:", "  score:", 5, "item 'score': the word is taken"),
        (
            "checklist",
            "items:\n  a:",
            "facts: {required: /m}\nitems:\n  required_1:",
            6,
            "a fact of the case",
        ),
        ("checklist", "  a:", "  a-b:", 5, "item 'a-b': write letters"),
        (
            "checklist",
            "forbidden: true",
            "forbiden: true",
            6,
            "unknown key 'forbiden'.*Did you mean 'forbidden'",
        ),
        ("checklist", "forbidden: true", "forbidden: true, required: true", 6, "both required and forbidden"),
        ("checklist", "forbidden: true", "weight: 0", 6, "weight' must be more than 0"),
        (
            "checklist",
            "model: m",
            "model: m\npass: score > 1",
            4,
            "no score can satisfy 'score > 1'; score goes",
        ),
        (
            "checklist",
            "model: m",
            "model: m\npass: required",
            4,
            "unknown score 'required' in 'required'; the scores are a, b, forbidden",
        ),
        (
            "checklist",
            "model: m",
            "model: m\nfacts: {required: must}",
            4,
            "must start with '/'.*write '/must'",
        ),
        (
            "checklist",
            "items:\n  a: Is it so?\n  b: {ask: Is it not?, forbidden: true}\n",
            "",
            1,
            "asks nothing",
        ),
        ("checklist", "model: m", "model: m\norder: [verdict, verdict, evidence]", 4, "names a part twice"),
        ("checklist", "model: m", "model: m\norder: [verdict]", 4, "order"),
        (
            "reference",
            "model: m",
            "model: m\npass: [equal]",
            4,
            "unknown label 'equal'.*there are equivalent",
        ),
        ("classifier", "pass: [good]", "pass: [goood]", 8, "unknown label 'goood'.*Did you mean 'good'"),
        ("classifier", "pass: [good]", "pass: [good, bad]", 8, "every label passes"),
        ("classifier", "pass: [good]", "pass: []", 8, "no label passes"),
        ("classifier", "pass: [good]", "pass: good and bad", 8, "no score can satisfy 'good and bad'"),
        ("classifier", "  good:", "  cannot_assess:", 6, "label 'cannot_assess': the word is taken"),
        ("classifier", "  bad: poor\n", "", 5, "labels"),
        ("pairwise", "model: m", "model: m\ncriteria: {}", 4, "unknown key 'criteria' in a pairwise judge"),
        (
            "pairwise",
            "model: m",
            "model: m\npass: win",
            4,
            "unknown score 'win' in 'win'; the scores are better",
        ),
        ("pairwise", "model: m", "model: m\npass: score >= 0", 4, "every score satisfies"),
        ("similarity", ">= 0.5", ">= 1.5", 4, "no score can satisfy.*similarity goes from -1 to 1"),
        ("similarity", "embed:", "model: m\nembed:", 3, "unknown key 'model' in a similarity judge"),
        ("python", "call:", "returns: [a, not]\ncall:", 3, "score 'not': the word is taken"),
        ("python", "call:", "pass: scor\ncall:", 3, "unknown score 'scor'.*Did you mean 'score'"),
    ],
)
def test_what_is_wrong_in_a_judge_of_any_kind_is_named_with_its_line(
    tmp_path: Path, kind: str, old: str, new: str, line: int, problem: str
) -> None:
    assert old in WRITTEN[kind]
    with pytest.raises(SpecError, match=problem) as caught:
        read(tmp_path, WRITTEN[kind].replace(old, new, 1))
    assert caught.value.line == line


@pytest.mark.parametrize("kind", sorted(WRITTEN))
def test_every_kind_is_read_and_fits_the_schema(tmp_path: Path, kind: str) -> None:
    spec = read(tmp_path, WRITTEN[kind])
    assert type(spec) is KINDS[kind]
    Draft202012Validator(json_schemas()["judge"]).validate(  # type: ignore[arg-type]
        read_document((tmp_path / "mine.yml").read_text())[0]
    )


def test_a_classifiers_rule_over_several_samples_is_not_tried_out(tmp_path: Path) -> None:
    text = WRITTEN["classifier"].replace("pass: [good]", "samples: 3\npass: good > 0.6 and bad > 0.3")
    assert read(tmp_path, text).pass_rule().names == ("good", "bad")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("similarity", r"mine\.yml:3: no module 'vectors'"),
        ("python", r"mine\.yml:3: no module 'scorers'"),
    ],
)
def test_code_that_is_not_there_is_named_with_its_line(tmp_path: Path, kind: str, problem: str) -> None:
    written(tmp_path, WRITTEN[kind])
    with pytest.raises(SpecError, match=problem):
        load_judges(["mine"], judges_dir=tmp_path)


def test_wordllama_that_is_not_installed_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    written(tmp_path, "kind: similarity\npass: similarity >= 0.5\n")
    with pytest.raises(SpecError, match=r"not installed\. Run: pip install 'swapgate\[similarity\]'"):
        load_judges(["mine"], judges_dir=tmp_path)


@pytest.mark.parametrize(
    ("kind", "old", "new", "same_calls"),
    [
        ("checklist", "forbidden: true", "forbidden: true, weight: 3", True),
        ("checklist", "forbidden: true", "required: true", True),
        ("checklist", "model: m", "model: m\nunassessed: left_out", True),
        ("checklist", "Is it so", "Is it not so", False),
        ("checklist", "model: m", "model: m\norder: [verdict, reasoning, evidence]", False),
        ("classifier", "  good: fine\n  bad: poor", "  bad: poor\n  good: fine", False),
        ("classifier", "pass: [good]", "pass: [bad]", True),
        ("reference", "model: m", "model: m\npass: [entailed]", True),
        ("pairwise", "model: m", "model: m\nask: Which is shorter?", False),
        ("pairwise", "model: m", "model: m\nagainst: other", True),
    ],
)
def test_an_edit_changes_the_definition_and_keeps_the_calls_where_no_word_of_them_changes(
    tmp_path: Path, kind: str, old: str, new: str, same_calls: bool
) -> None:
    assert old in WRITTEN[kind]
    specs = [read(tmp_path, text) for text in (WRITTEN[kind], WRITTEN[kind].replace(old, new))]
    before, after = (Judge(spec) for spec in specs if isinstance(spec, JudgeSpec))
    assert before.definition_hash != after.definition_hash
    hashes = [call_hash(judge.spec, judge.kind) for judge in (before, after)]
    assert (hashes[0] == hashes[1]) is same_calls


BASE = """\
model: m
calls: per_criterion
params: {temperature: 0.2, top_p: 0.9}
criteria:
  right: {ask: Is it right?}
  clear: {ask: Is it clear?, scale: [1, 3]}
pass: right and clear >= 2
"""


def test_a_judge_that_extends_another_changes_what_it_says_and_keeps_the_rest(tmp_path: Path) -> None:
    written(tmp_path, BASE, "base")
    spec = read(
        tmp_path,
        "extends: base\nmodel: other\nparams: {top_p: null}\n"
        "criteria:\n  clear: null\n  kind: {ask: Is it kind?}\n"
        "  right: {ask: Is it really right?}\npass: right and kind\n",
    )
    assert isinstance(spec, RubricSpec)
    assert (spec.judge, spec.model, spec.calls, spec.params) == (
        "mine",
        "other",
        "per_criterion",
        {"temperature": 0.2},
    )
    assert {name: c.ask for name, c in spec.criteria.items()} == {
        "right": "Is it really right?", "kind": "Is it kind?",
    }  # fmt: skip


def test_extending_without_a_change_is_the_same_judge(tmp_path: Path) -> None:
    written(tmp_path, BASE, "base")
    written(tmp_path, "extends: base\n")
    loaded = load_judges(["base", "mine"], judges_dir=tmp_path)
    assert loaded["base"].definition_hash == loaded["mine"].definition_hash


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("extends: bsae\n", 2, r"extends 'bsae', and there is no such judge in .*Did you mean 'base'"),
        (
            "model: m\nextends: swapgate/faithfulnes\n",
            3,
            r"in the library.*Did you mean 'swapgate/faithfulness'",
        ),
        ("extends: swapgate/faithfulness\n", 2, "a checklist judge is missing the key 'model'"),
        (
            "extends: base\nkind: checklist\n",
            3,
            "is of kind 'checklist' and extends 'base', which is of kind 'rubric'",
        ),
        ("extends: base\ncriteria: {clear: null}\n", 2, "unknown criterion 'clear'"),
        ("extends: base\ncriterea: {}\n", 3, "unknown key 'criterea'"),
        ("extends: mine\n", 2, "extends itself in the end: mine extends mine"),
        ("extends: [base]\n", 2, r"extends \['base'\], and there is no such judge"),
    ],
)
def test_what_cannot_be_extended_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    written(tmp_path, BASE, "base")
    with pytest.raises(SpecError, match=problem) as caught:
        read(tmp_path, text)
    assert caught.value.line == line


def test_a_circle_of_judges_is_told_whole(tmp_path: Path) -> None:
    written(tmp_path, "extends: b\n", "a")
    written(tmp_path, "extends: a\n", "b")
    with pytest.raises(SpecError, match="a extends b extends a; one of them must stand alone"):
        read_judge(tmp_path / "a.yml")


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(MAPPINGS, MAPPINGS)
def test_what_is_written_wins_and_what_is_not_mentioned_stays(
    base: Mapping[str, object], mine: Mapping[str, object]
) -> None:
    merged = merged_over(base, mine)
    assert {key: merged[key] for key in merged if key not in mine} == {
        key: value for key, value in base.items() if key not in mine
    }
    for key, value in mine.items():
        if value is None:
            assert key not in merged
        elif not isinstance(value, dict) or not isinstance(base.get(key), dict):
            assert merged[key] == value


@pytest.mark.parametrize("name", sorted(library_files()))
def test_every_judge_of_the_library_is_whole_and_leaves_a_way_to_abstain(name: str, tmp_path: Path) -> None:
    spec = read_library_judge(library_files()[name], name="mine", model="m")
    judge = ready(spec, root=tmp_path, judges_dir=tmp_path)
    assert isinstance(judge, Judge)
    assert spec.description
    assert judge.rule.names
    for request in judge.requests(judge.kind.probe(), suite="s", case="c"):
        text = request.messages[-1].content
        # On a scale there is no abstaining: its ends are said in full.
        ends = (" = It fits throughout", " = It says what the query asks")
        assert "cannot_assess = " in text or any(end in text for end in ends)
        assert "  " not in text.replace("\n  ", "\n")


def test_the_library_is_all_that_lies_in_its_folder() -> None:
    assert {f"swapgate/{path.stem}" for path in LIBRARY.iterdir()} == set(library_files())


def test_items_of_the_library_ask_for_one_thing_that_is_wanted_or_not() -> None:
    for name, path in library_files().items():
        spec = read_library_judge(path, name=name, model="m")
        if isinstance(spec, ChecklistSpec):
            assert any(item.required or item.forbidden for item in spec.written_items.values()), name
            assert all(item.ask.count("?") == 1 for item in spec.written_items.values()), name


def test_a_suite_that_names_a_judge_of_the_library_is_told_how_to_use_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write .*/tone\.yml with `judge: tone`, `extends: swapgate/tone`"):
        load_judges(["swapgate/tone"], judges_dir=tmp_path)


CASES = """\
suite: s
prompt: {user: "{{ q }}"}
judges: [mine]
cases:
  - {id: one, input: {q: a}}
"""
MODELS = '{"models": {"m": {"provider": "recorded", "path": "m.jsonl"}}}'


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        (
            WRITTEN["reference"],
            "cases/s.yml:5: the judge 'mine' cannot judge case 'one': .* after `expected`",
        ),
        (
            "kind: checklist\nmodel: m\nfacts: {required: /must}\n",
            "asks for facts of the case, and .* none at /must",
        ),
        (f"{WRITTEN['pairwise']}against: reference\n", "compares the answer with the reference"),
        (f"{WRITTEN['pairwise']}against: mm\n", r"judges/mine\.yml:4: .*'mm'"),
        ("kind: reference\nmodel: mm\n", r"judges/mine\.yml:3: .*'mm'"),
    ],
)
def test_swapgate_check_finds_what_a_case_lacks_for_its_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], judge: str, problem: str
) -> None:
    lay(
        tmp_path,
        {"cases/s.yml": CASES, "config/models.yml": MODELS, "judges/mine.yml": f"judge: mine\n{judge}"},
    )
    assert main(["check", "--root", str(tmp_path)]) != 0
    said = capsys.readouterr()
    assert re.search(problem, said.out + said.err)


def test_facts_that_are_no_list_of_texts_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CASES.replace("input: {q: a}", "input: {q: a}, expected: {must: 3 days}")
    judge = "judge: mine\nkind: checklist\nmodel: m\nfacts: {required: /must}\n"
    lay(tmp_path, {"cases/s.yml": cases, "config/models.yml": MODELS, "judges/mine.yml": judge})
    assert main(["check", "--root", str(tmp_path)]) != 0
    said = capsys.readouterr()
    assert "`expected` has at /must no list of texts, but '3 days'" in said.out + said.err
