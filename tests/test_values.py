"""A value is taken for the dataclass that it could be, by people, the standard library and pydantic."""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from pydantic import TypeAdapter, ValidationError

from swapgate.values import Value

PACKAGE = Path(__file__).parents[1] / "evals" / "swapgate"
_T = TypeVar("_T")


class Inner(Value):
    """What is inside."""

    number: int
    name: str = "nobody"


class Outer(Value):
    """What holds it."""

    inner: Inner
    maybe: Inner | None = None
    many: tuple[Inner, ...] = ()
    by_name: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None
    last: int


class Longer(Inner):
    """An heir."""

    more: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """What is inside."""

    number: int
    name: str = "nobody"


class Kind(Value, Generic[_T]):
    of: _T


class Placed(Value, kw_only=False):
    line: int
    column: int = 1


class ById(Value, eq=False, dict=True):
    numbers: list[int]

    @cached_property
    def total(self) -> int:
        return sum(self.numbers)


OUTER = Outer(inner=Inner(number=1), many=(Inner(number=2), Longer(number=3, more=4)), last=5)


def test_it_is_made_by_keyword_compared_by_content_and_never_changed() -> None:
    with pytest.raises(TypeError):
        Inner(1)  # type: ignore[call-arg, misc]
    with pytest.raises(TypeError, match="number"):
        Inner()  # type: ignore[call-arg]
    assert Inner(number=1) == Inner(number=1) != Inner(number=2)
    assert hash(Inner(number=1)) == hash(Inner(number=1))
    with pytest.raises(AttributeError):
        Inner(number=1).number = 2  # type: ignore[misc]
    assert Placed(3, 4) == Placed(line=3, column=4)
    assert Kind(of=1) == Kind(of=1)
    assert ById(numbers=[1]) != ById(numbers=[1])
    assert ById(numbers=[1, 2]).total == 3


def test_each_has_defaults_of_its_own() -> None:
    one, other = (Outer(inner=Inner(number=1), last=1) for _ in range(2))
    assert one.by_name == {}
    assert one.by_name is not other.by_name


def test_the_standard_library_takes_it_for_a_dataclass() -> None:
    assert dataclasses.is_dataclass(Outer)
    assert [one.name for one in dataclasses.fields(Longer)] == ["number", "name", "more"]
    assert dataclasses.replace(OUTER, last=6) == Outer(inner=OUTER.inner, many=OUTER.many, last=6)
    assert dataclasses.asdict(OUTER)["many"] == (
        {"number": 2, "name": "nobody"},
        {"number": 3, "name": "nobody", "more": 4},
    )
    assert dataclasses.astuple(Placed(3)) == (3, 1)


def test_it_is_copied_and_pickled() -> None:
    assert pickle.loads(pickle.dumps(OUTER)) == copy.deepcopy(OUTER) == copy.copy(OUTER) == OUTER


def test_pydantic_takes_it_for_a_dataclass() -> None:
    adapter = TypeAdapter(Outer)
    text = adapter.dump_json(OUTER)
    assert adapter.validate_json(text) == dataclasses.replace(OUTER, many=(Inner(number=2), Inner(number=3)))
    with pytest.raises(ValidationError, match=r"inner\.number"):
        adapter.validate_json('{"inner": {"number": "many"}, "last": 1}')
    schema, twin = (TypeAdapter(kind).json_schema() for kind in (Inner, Twin))
    assert schema == {**twin, "title": "Inner"}


def test_what_it_cannot_be_is_said_where_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="key: only a dataclass hides or derives a field"):

        class Secret(Value):
            key: str = field(repr=False)


def test_a_frozen_dataclass_is_only_what_a_value_cannot_be() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in PACKAGE.rglob("*.py")
        if "frozen" in (source := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and any(
            "dataclass(" in (told := ast.unparse(one)) and "frozen" in told for one in node.decorator_list
        )
        and not any(reason in ast.unparse(node) for reason in ("repr=False", "init=False", "__setattr__"))
    }
    assert not found, "derive these from swapgate.values.Value"
