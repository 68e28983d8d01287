"""Reading YAML: the 1.2 core schema, lines, and what is refused."""

import contextlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.errors import SpecError, UsageError
from swapgate.spec.source import Document, read_yaml
from swapgate.spec.yaml_core import YamlError, read_document

BMP = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(BMP, max_size=40)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(BMP, max_size=20), inner, max_size=4),
    max_leaves=15,
)


def read(tmp_path: Path, content: str | bytes) -> Document:
    path = tmp_path / "qa.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path, root=tmp_path)


def problem(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, content)
    return str(caught.value)


@given(VALUES)
def test_any_json_reads_back_equal(value: object) -> None:
    if value is not None:
        read_back, _place = read_document(json.dumps(value))
        assert read_back == value
        assert json.dumps(read_back) == json.dumps(value)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_any_printable_text_reads_back_equal_in_quotes(text: str) -> None:
    assert read_document(json.dumps(text, ensure_ascii=False))[0] == text


@given(
    st.lists(st.sampled_from([*"-:?[]{},&*!|>'\"%#~ \t\n\r0x.", "a", "- ", ": ", "<<: ", "*a", "&a "])).map(
        "".join
    )
    | st.text(st.characters(exclude_categories=["Cs"]))
)
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(YamlError):
        read_document(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0xFF", 255),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("True", True),
        ("~", None),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("'12'", "12"),
        ("!!float 12", 12.0),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    found = read_document(f"[{written}]")[0][0]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(read_document("[.NaN]")[0][0])


def test_the_key_on_stays_text_and_whole_numbers_stay_numbers() -> None:
    assert read_document("{on: interval, 1: worst, 5: best}")[0] == {"on": "interval", 1: "worst", 5: "best"}


def test_a_pointer_leads_to_the_line_of_its_key_or_of_the_nearest_one_around_it(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb:\n  - x\n  - c/d:\n      ~e: 2\n")
    assert document.line("") == 1
    assert document.line("/b") == 2
    assert document.line("/b/1") == 4
    assert document.line("/b/1/c~1d/~0e") == 5
    assert document.line("/b/0/nowhere") == 3
    assert document.line("/b/7") == 2
    assert document.at("/b/1/c~1d/~0e") == 2


def test_aliases_and_merge_keys_are_read_and_own_keys_win(tmp_path: Path) -> None:
    text = "base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo: *b\nthree:\n  <<: [{x: 9}, *b]\n"
    document = read(tmp_path, text)
    assert document.data["one"] == {"x": 1, "y": 3}
    assert document.data["two"] == {"x": 1, "y": 2}
    assert document.data["three"] == {"x": 9, "y": 2}
    assert document.line("/one/x") == 1
    assert document.line("/one/y") == 4
    assert document.line("/two") == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "qa.yml: the file is empty"),
        ("# only a comment\n", "qa.yml: the file is empty"),
        ("a: 1\nb: 2\na: 3\n", "qa.yml:3: the key 'a' is written twice: here and on line 1"),
        (
            "a: 1\n\tb: 2\n",
            "qa.yml:2: not valid YAML: found a tab character that violates indentation"
            " (the line is indented with a tab: use spaces)",
        ),
        (
            "a: hello: you\n",
            "qa.yml:1: not valid YAML: mapping values are not allowed in this context"
            " (put a text that holds ': ' in quotes)",
        ),
        ("a: [1\nb: 2\n", "qa.yml:2: not valid YAML: did not find expected ',' or ']'"),
        ("a: [1\n", "qa.yml:2: not valid YAML: did not find expected ',' or ']'"),
        ("a: \x07\n", "qa.yml:1: not valid YAML: control characters are not allowed (U+0007)"),
        ("a: 1\n---\nb: 2\n", "qa.yml:2: a second document starts here ('---'): write one document a file"),
        (
            "a: !!python/object:os.system x\n",
            "qa.yml:1: unknown tag '!!python/object:os.system': leave it out",
        ),
        ("a: !!set {x}\n", "qa.yml:1: unknown tag '!!set': leave it out"),
        ("a: !!int x\n", "qa.yml:1: 'x' is no !!int"),
        ("true: 1\n", "qa.yml:1: the key 'true' is not text: put it in quotes"),
        ("? [a]\n: 1\n", "qa.yml:1: a key must be a plain text or number, without anchor or alias"),
        ("a: &x [*x]\n", "qa.yml:1: '*x' stands inside what it refers to"),
        ("a: *x\n", "qa.yml:1: '*x' has no '&x' before it"),
        ("a:\n  <<: 3\n", "qa.yml:2: '<<' takes a mapping, or a list of mappings"),
        ("a: " + "1" * 5000, "qa.yml:1: the number 11111111111111111111... is too long"),
        ("[" * 200, "qa.yml:1: nested more than 100 levels deep"),
        ("- " * 100_000 + "x", "qa.yml:1: nested more than 100 levels deep"),
    ],
)
def test_a_broken_file_is_said_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert problem(tmp_path, text) == message


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)]
    bomb = f"a0: &a0 [{', '.join(['x'] * 9)}]\n" + "".join(levels)
    assert problem(tmp_path, bomb) == "qa.yml:7: more than 2,000,000 values, aliases written out"


def test_a_tower_of_aliases_is_refused(tmp_path: Path) -> None:
    tower = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))
    assert problem(tmp_path, tower) == "qa.yml:100: nested more than 100 levels deep"


def test_what_is_not_utf_8_is_said_with_its_line(tmp_path: Path) -> None:
    message = "qa.yml:2: not UTF-8: byte 0xe4; save the file as UTF-8"
    assert problem(tmp_path, b"a: 1\nb: \xe4\n") == message


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_a_file_over_50_mb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(SpecError, match=r"^big.yml: the file has 60 MB, at most 50 are read: split it$"):
        read_yaml(path, root=tmp_path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^none.yml: cannot be read: No such file or directory$"):
        read_yaml(tmp_path / "none.yml", root=tmp_path)
