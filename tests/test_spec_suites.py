"""Suites and cases: what is read from where, and the exact words for what is wrong."""

import json
import time
from hashlib import sha256
from pathlib import Path

import pytest

from swapgate.engine.workspace import case_hash
from swapgate.errors import SpecError
from swapgate.records import to_json
from swapgate.spec.covariates import case_covariates
from swapgate.spec.judges import RubricSpec
from swapgate.spec.read_suites import is_fragment, read_suite
from swapgate.spec.source import read_yaml, validate
from swapgate.spec.suite import LoadedSuite, PlacedCase

ONE_CASE = "cases:\n  - id: a\n"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    (tmp_path / "cases").mkdir()
    return tmp_path / "cases"


def suite(cases: Path, text: str, **others: str) -> LoadedSuite:
    (cases / "qa.yml").write_text(text)
    for name, content in others.items():
        (cases / name.replace("__", ".")).write_text(content)
    return read_suite(cases / "qa.yml", root=cases.parent)


def problem(cases: Path, text: str, **others: str) -> str:
    with pytest.raises(SpecError) as caught:
        suite(cases, text, **others)
    return str(caught.value)


def only(loaded: LoadedSuite) -> PlacedCase:
    (placed,) = loaded.cases
    return placed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "suite: qa\ncases:\n  - id: a\n    expectd: x\n",
            "cases/qa.yml:4: unknown key 'expectd' in a case. Did you mean 'expected'?",
        ),
        (
            "suite: qa\ncases:\n  - id: a\n    zzz: x\n",
            "cases/qa.yml:4: unknown key 'zzz' in a case. Known: id, input, messages, expected, tags, "
            "cluster, covariates, checks, judges, quarantine",
        ),
        (
            f"suite: qa\ngate:\n  semantic:\n    min: 85\n{ONE_CASE}",
            "cases/qa.yml:4: 'gate.semantic.min' must be at most 1, got 85",
        ),
        (
            f"suite: qa\ngate: {{semantic: {{mn: 0.5}}}}\n{ONE_CASE}",
            "cases/qa.yml:2: unknown key 'mn' in 'gate.semantic'. Did you mean 'min'?",
        ),
        (
            f"suite: qa\ngate: {{semantic: {{min: 0.5, on: intervall}}}}\n{ONE_CASE}",
            "cases/qa.yml:2: 'gate.semantic.on' must be 'interval' or 'point', got 'intervall'."
            " Did you mean 'interval'?",
        ),
        (
            f"suite: qa\ngate: evry-case\n{ONE_CASE}",
            "cases/qa.yml:2: 'gate' must be 'every-case' or a mapping, got 'evry-case'."
            " Did you mean 'every-case'?",
        ),
        (
            f"suite: qa\nprompt: [x]\n{ONE_CASE}",
            "cases/qa.yml:2: 'prompt' must be text or a mapping, got ['x']",
        ),
        (
            f"suite: qa\nprompt: {{sytem: x}}\n{ONE_CASE}",
            "cases/qa.yml:2: unknown key 'sytem' in 'prompt'. Did you mean 'system'?",
        ),
        (ONE_CASE, "cases/qa.yml:1: a suite is missing the key 'suite'"),
        ("suite: qa\ncases:\n  - tags: [x]\n", "cases/qa.yml:3: a case is missing the key 'id'"),
        (
            "suite: qa\ncases:\n  - id: 17\n",
            "cases/qa.yml:3: 'cases[0].id' must be text, got 17: put it in quotes",
        ),
        (
            "suite: qa\ncases:\n  - id: a/b\n",
            "cases/qa.yml:3: 'cases[0].id' may hold only letters, digits, '_', '.' and '-', got 'a/b'",
        ),
        (
            "suite: qa\ncases:\n  - id: a\n    tags: slow\n",
            "cases/qa.yml:4: 'cases[0].tags' must be a list, got 'slow': put it in [ ]",
        ),
        (
            "suite: qa\ncases:\n  - id: a\n    input: {2024: x}\n",
            "cases/qa.yml:4: the key 2024 of 'cases[0].input' must be text: put it in quotes",
        ),
        (
            "suite: qa\ncases:\n  - id: a\n    messages:\n      - {role: user, content: x, nme: y}\n",
            "cases/qa.yml:5: unknown key 'nme' in a message. Known: role, content, tool_calls, tool_call_id",
        ),
        ("- id: a\n", "cases/qa.yml:1: a suite must be a mapping, got [{'id': 'a'}]"),
        (
            f"suite: qa\nchecks: [7]\n{ONE_CASE}",
            "cases/qa.yml:2: 'checks[0]' must be text or a mapping, got 7",
        ),
        ("suite: qa\n", "cases/qa.yml:1: the suite has no cases: write `cases:` or `cases_from:`"),
        (
            "suite: qa\ncases:\n  - id: a\n  - id: b\n  - id: a\n",
            "cases/qa.yml:5: the case id 'a' is already taken at cases/qa.yml:3: give each case its own",
        ),
        (
            "suite: qa\ncases_from: [more.jsonl]\n",
            "cases/qa.yml:2: cases_from: no file 'more.jsonl' (looked in cases/)",
        ),
        (
            "suite: qa\ncases_from: /etc/x.csv\n",
            "cases/qa.yml:2: cases_from: '/etc/x.csv' must be relative to the suite's file",
        ),
        (
            "suite: qa\ncases_from: data/*.csv\n",
            "cases/qa.yml:2: cases_from: nothing matches 'data/*.csv' (looked in cases/)",
        ),
    ],
)
def test_a_mistake_is_said_at_its_line(cases: Path, text: str, message: str) -> None:
    assert problem(cases, text) == message


def test_further_problems_follow_up_to_ten(cases: Path) -> None:
    text = "suite: qa\ncases:\n" + "".join(f"  - id: c{n}\n    tag: x\n" for n in range(14))
    lines = problem(cases, text).split("\n")
    assert lines[0] == "cases/qa.yml:4: unknown key 'tag' in a case. Did you mean 'tags'?"
    assert lines[10] == "cases/qa.yml:24: unknown key 'tag' in a case. Did you mean 'tags'?"
    assert lines[11:] == ["... and 3 more"]


def test_a_long_value_is_cut_to_80_characters(cases: Path) -> None:
    message = problem(cases, f"suite: qa\nrubbish: 1\ngate: {'x' * 200}\n{ONE_CASE}").split("\n")[1]
    assert message == f"cases/qa.yml:3: 'gate' must be 'every-case' or a mapping, got '{'x' * 76}..."


def test_several_mistakes_of_a_judge_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "j.yml").write_text(
        "judge: j\nmodel: m\ncriteria:\n  x: {ask: '?', scale: [1], anchors: {1: a, b: c}}\n"
        "pass: true\nsamples: 1.5\n"
    )
    with pytest.raises(SpecError) as caught:
        validate(RubricSpec, read_yaml(tmp_path / "j.yml", root=tmp_path))
    assert str(caught.value).split("\n") == [
        "j.yml:4: 'criteria.x.scale' must be a list of 2",
        "j.yml:4: the key 'b' of 'criteria.x.anchors' must be a whole number",
        "j.yml:5: 'pass' must be text, got True: put it in quotes",
        "j.yml:6: 'samples' must be a whole number, got 1.5",
    ]


def test_cases_come_from_every_kind_of_file_with_their_lines(cases: Path) -> None:
    (cases / "more").mkdir()
    (cases / "more" / "b.yml").write_text("# two\n- id: f1\n- id: f2\n")
    (cases / "more" / "a.yml").write_text("- id: e1\n")
    loaded = suite(
        cases,
        "suite: qa\ncases_from: [rows.csv, lines.jsonl, more/*.yml]\ncases:\n  - id: own\n",
        rows__csv='id,question,tags\nc1,"two\nlines",x|y\nc2,plain,\n',
        lines__jsonl='{"id": "j1"}\n\n{"id": "j2", "input": {"n": 1}}\n',
    )
    assert [(p.case.id, p.path.name, p.line) for p in loaded.cases] == [
        ("own", "qa.yml", 4),
        ("c1", "rows.csv", 2),
        ("c2", "rows.csv", 4),
        ("j1", "lines.jsonl", 1),
        ("j2", "lines.jsonl", 3),
        ("e1", "a.yml", 1),
        ("f1", "b.yml", 2),
        ("f2", "b.yml", 3),
    ]


def test_a_csv_row_becomes_variables_tags_cluster_and_expectation(cases: Path) -> None:
    text = "id,tags,cluster,expected.label,expected.note,input.title,body\nr1,a; b|c,g1,bug,,007,true\n"
    case = only(suite(cases, "suite: qa\ncases_from: r.csv\n", r__csv="\ufeff" + text)).case
    assert case.tags == ("a", "b", "c")
    assert case.cluster == "g1"
    assert case.expected == {"label": "bug"}
    assert case.input == {"title": "007", "body": "true"}


def test_a_csv_column_expected_is_a_reference_text_and_an_empty_cell_is_none(cases: Path) -> None:
    loaded = suite(cases, "suite: qa\ncases_from: r.csv\n", r__csv="id,q,expected\na,?,yes\nb,?,\n")
    assert [p.case.expected for p in loaded.cases] == ["yes", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cases/r.csv:1: the file is empty"),
        ("name,q\na,b\n", "cases/r.csv:1: no column 'id' in the header; columns: name, q"),
        (
            "id;q;expected\na;b;c\n",
            "cases/r.csv:1: no column 'id' in the header 'id;q;expected': columns are separated by commas",
        ),
        ("id,q,input.q\n1,2,3\n", "cases/r.csv:1: the column 'q' is there twice"),
        ("id,,q\na,b,c\n", "cases/r.csv:1: column 2 has no name in the header"),
        ("id,q\na,b,c\n", "cases/r.csv:2: 3 cells, but the header has 2: quote cells that hold commas"),
        ('id,q\na,b\nc,"d\n', "cases/r.csv:3: not valid CSV: unexpected end of data"),
        (
            "id,q\na,b\nc d,e\n",
            "cases/r.csv:3: 'id' may hold only letters, digits, '_', '.' and '-', got 'c d'",
        ),
    ],
)
def test_a_mistake_in_a_csv_is_said_at_its_line(cases: Path, text: str, message: str) -> None:
    assert problem(cases, "suite: qa\ncases_from: r.csv\n", r__csv=text) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'id': 1}", "not valid JSON: expecting property name enclosed in double quotes (column 2)"),
        ('{"id": "a", "id": "b"}', "not valid JSON: the key 'id' is written twice"),
        ('{"id": "a", "expected": NaN}', "not valid JSON: NaN is no JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": "a", "expected": "\\ud83d"}', "not valid JSON: \\ud83d is half a character"),
        ('["a"]', "a case must be a mapping, got ['a']"),
        ('{"id": 3}', "'id' must be text, got 3: put it in quotes"),
        ('{"id": "b", "expectd": 1}', "unknown key 'expectd' in a case. Did you mean 'expected'?"),
        ('{"id": "ok"}', "the case id 'ok' is already taken at cases/l.jsonl:1: give each case its own"),
    ],
)
def test_a_mistake_in_a_json_line_is_said_at_its_line(cases: Path, line: str, message: str) -> None:
    text = f'{{"id": "ok"}}\n\n{line}\n'
    assert problem(cases, "suite: qa\ncases_from: l.jsonl\n", l__jsonl=text) == f"cases/l.jsonl:3: {message}"


def test_a_mistake_in_a_fragment_is_said_in_the_fragment(cases: Path) -> None:
    message = problem(cases, "suite: qa\ncases_from: f.yml\n", f__yml="- id: a\n- id: b\n  tgs: [x]\n")
    assert message == "cases/f.yml:3: unknown key 'tgs' in a case. Did you mean 'tags'?"


def test_defaults_go_under_what_a_case_says_itself(cases: Path) -> None:
    loaded = suite(
        cases,
        "suite: qa\ndefaults: {tags: [all, x], input: {tone: kind, n: 1}, expected: yes, cluster: c}\n"
        "cases:\n"
        "  - {id: bare}\n"
        "  - {id: own, tags: [x, y], input: {n: 2}, expected: null, cluster: d}\n",
    )
    bare, own = (placed.case for placed in loaded.cases)
    assert (bare.tags, bare.input, bare.expected, bare.cluster) == (
        ("all", "x"),
        {"tone": "kind", "n": 1},
        "yes",
        "c",
    )
    assert (own.tags, own.input, own.expected, own.cluster) == (
        ("all", "x", "y"),
        {"tone": "kind", "n": 2},
        None,
        "d",
    )


def test_a_number_that_no_record_can_hold_is_no_covariate(cases: Path) -> None:
    loaded = suite(
        cases,
        "suite: qa\ncases:\n  - id: a\n"
        f"    input: {{none: .nan, endless: -.inf, vast: {10**400}, files: 3, on: true, diff: abc}}\n",
    )
    assert case_covariates(only(loaded).case) == {"input.files": 3, "input.diff.chars": 3}


def test_the_hash_follows_what_matters_and_not_where_or_in_which_order_it_is_written(cases: Path) -> None:
    text = "suite: qa\ncases:\n  - {id: a, expected: x}\n  - {id: b}\n"
    base = suite(cases, text).content_hash
    moved = "suite: qa\ndescription: new words\ncases_from: f.yml\n"
    fragment = "- id: b\n\n- id: a\n  expected: x\n"
    assert suite(cases, moved, f__yml=fragment).content_hash == base
    assert suite(cases, text.replace("expected: x", "expected: y")).content_hash != base
    assert suite(cases, text + "gate: every-case\n").content_hash != base


def test_a_case_is_known_by_the_hash_of_its_plain_json(cases: Path) -> None:
    case = (
        '{id: a, input: {z: "é \\U0001f600 \\x01\\"", a: {k: [1.0, 1.0e+16, null]}, n: 1e-7}, '
        "expected: {b: 2, a: x}, "
        "messages: [{role: user, content: hi}], checks: [{enum: {pointer: /b, values: [2]}}]}"
    )
    loaded = suite(cases, f"suite: qa\nchecks: [json, {{schema: {{type: object}}}}]\ncases:\n  - {case}\n")
    placed = only(loaded)
    content = {
        "input": placed.case.input,
        "messages": [to_json(message) for message in placed.case.messages],
        "expected": {"b": 2, "a": "x"},
        "tools": [],
        "checks": ["json", {"schema": {"type": "object"}}, {"enum": {"pointer": "/b", "values": [2]}}],
    }
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    found = case_hash(loaded, placed, expected=placed.case.expected)
    assert found == sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("- id: a\n", True),
        ("# words\n\n---\n- id: a\n", True),
        ("-\n  id: a\n", True),
        ("[{id: a}]\n", True),
        ("\ufeff- id: a\n", True),
        ("suite: qa\ncases:\n- id: a\n", False),
        ("", False),
    ],
)
def test_a_list_of_cases_is_told_from_a_suite(tmp_path: Path, text: str, answer: bool) -> None:
    (tmp_path / "x.yml").write_text(text)
    assert is_fragment(tmp_path / "x.yml") is answer


def test_ten_thousand_lines_and_847_long_cases_load_in_seconds(cases: Path) -> None:
    lines = [{"id": f"c{n}", "input": {"q": "x" * 300}, "expected": {"a": 1}} for n in range(10_000)]
    diff = "".join(f"      {'x' * 70}\n" for _ in range(40))
    entry = "- id: y{}\n  tags: [a]\n  input:\n    diff: |\n{}  expected: {{recommendation: approve}}\n"
    started = time.process_time()
    loaded = suite(
        cases,
        "suite: qa\ncases_from: [l.jsonl, f.yml]\n",
        l__jsonl="\n".join(map(json.dumps, lines)),
        f__yml="".join(entry.format(n, diff) for n in range(847)),
    )
    assert len(loaded.cases) == 10_847
    # Well under a second on an idle machine; the bound only catches a change of complexity.
    assert time.process_time() - started < 6
