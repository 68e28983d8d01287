"""One value of a YAML file changed: nothing else is, whatever the file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.errors import SpecError
from swapgate.records import Json
from swapgate.spec.rewriting import with_value
from swapgate.spec.yaml_core import read_document

FILE = Path("models.yml")
BLOCK = """\
# Who answers what.
models:
  gpt-5.5:            # the one in production
    provider: openai
    model: {0}   # reviewed in April
    unset: [temperature]

  other: {{provider: anthropic, params: {{max_tokens: 2048}}}}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("gpt-5.5-2026-04-23", "gpt-6-2026-11-20"), ("'old'", "'gpt-6'"), ('"old"', '"gpt-6"')],
)
def test_only_the_scalar_changes(before: str, after: str) -> None:
    value = after.strip("'\"")
    assert with_value(BLOCK.format(before), ["models", "gpt-5.5", "model"], value, file=FILE) == BLOCK.format(
        after
    )


def test_a_key_that_is_not_there_is_added_in_the_style_of_its_mapping() -> None:
    text = BLOCK.format("a").replace("    model: a   # reviewed in April\n", "")
    block = with_value(text, ["models", "gpt-5.5", "model"], "b", file=FILE)
    assert block == text.replace("    provider: openai\n", "    model: b\n    provider: openai\n")
    flow = with_value(text, ["models", "other", "model"], "b", file=FILE)
    assert flow == text.replace("{provider: anthropic", "{model: b, provider: anthropic")
    accepted: Json = {"reason": 'no dated id: "none"', "until": "2027-03-31"}
    found = with_value(text, ["models", "other", "accept_unpinned"], accepted, file=FILE)
    assert read_document(found)[0]["models"]["other"]["accept_unpinned"] == accepted
    assert found.count("\n") == text.count("\n")


def test_line_ends_of_windows_stay() -> None:
    text = BLOCK.format("a").replace("\n", "\r\n")
    assert with_value(text, ["models", "gpt-5.5", "model"], "b", file=FILE) == text.replace(" a ", " b ")
    added = with_value(text, ["models", "gpt-5.5", "family"], "gpt", file=FILE)
    assert added.count("\n") == added.count("\r\n") == text.count("\n") + 1


@pytest.mark.parametrize(
    "text",
    [
        "base: &base {provider: openai, model: a}\nmodels:\n  x: *base\n",
        "pin: &pin a\nmodels:\n  x: {model: *pin}\n",
        "models:\n  x:\n    model: >\n      a\n",
        "models:\n  x: {model: &pin a}\n  y: {model: *pin}\n",
        "models:\n  x:\n",
    ],
)
def test_a_value_that_is_shared_or_folded_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(
        SpecError, match=r"models\.yml:\d+: models/x/model cannot be changed by itself.* by hand"
    ):
        with_value(text, ["models", "x", "model"], "b", file=FILE)


def test_what_is_merged_in_is_taken_over_by_a_key_of_its_own() -> None:
    text = "base: &base {provider: openai, model: a}\nmodels:\n  x: {<<: *base, family: gpt}\ny: *base\n"
    changed = with_value(text, ["models", "x", "model"], "b", file=FILE)
    assert changed == text.replace("{<<", "{model: b, <<")


@given(value=st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()))
def test_any_text_can_be_written_and_is_read_back(value: str) -> None:
    for text in (BLOCK.format("a"), BLOCK.format("'a'"), BLOCK.format('"a"')):
        changed = with_value(text, ["models", "gpt-5.5", "model"], value, file=FILE)
        assert read_document(changed)[0]["models"]["gpt-5.5"]["model"] == value
        assert changed.count("\n") == text.count("\n")
        assert "# reviewed in April" in changed
