"""What is stored is what is read back, whoever made the record."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swapgate.records import Message, Trial, adapter
from swapgate.storable import storable_text

_TEXTS = st.text(st.characters(), max_size=8)  # half characters too
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(said=_TEXTS, expected=_VALUES, number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_record_of_ours_is_stored_as_any_other(said: str, expected: Any, number: float) -> None:
    trial = Trial(
        suite="s",
        case="c",
        model="m",
        messages=(Message(role="user", content=said),),
        expected=expected,
        covariates={"size": number},
    )

    record, text = storable_text(trial, is_ours=True)
    checked_record, checked_text = storable_text(trial)

    assert record == checked_record
    assert json.loads(text) == json.loads(checked_text)
    assert adapter(Trial).validate_json(text) == record


def test_a_number_beyond_64_bits_and_one_that_fills_a_line_are_kept() -> None:
    trial = Trial(suite="s", case="c", model="m", expected=[2**64, -(10**400)], covariates={"size": 1e22})

    text = storable_text(trial, is_ours=True)[1]

    assert adapter(Trial).validate_json(text) == trial
