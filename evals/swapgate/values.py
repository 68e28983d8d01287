"""What most classes here are: frozen, made by keyword, compared by what they hold."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from msgspec import NODEFAULT, Struct, StructMeta
from msgspec import field as struct_field

_V = TypeVar("_V", bound="Value")

if TYPE_CHECKING:

    def replace(value: _V, /, **changes: Any) -> _V:
        """Return a copy with other content in some fields."""
else:
    from msgspec.structs import replace

__all__ = ["Value", "replace"]


class _ValueMeta(StructMeta):
    """Makes the class from what would be a dataclass's."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        kw_only: bool = True,
        **config: Any,
    ) -> type:
        given = {
            key: _of_struct(key, one) for key, one in namespace.items() if isinstance(one, dataclasses.Field)
        }
        return super().__new__(mcs, name, bases, namespace | given, kw_only=kw_only, **config)


class _Fields:
    """By what the standard library and pydantic know a dataclass; made for those who ask."""

    def __get__(self, value: object, owner: type[Value]) -> dict[str, dataclasses.Field[Any]]:
        return _fields(owner)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
class Value(Struct, frozen=True, metaclass=_ValueMeta):
    """A frozen dataclass with slots, in all but cost: msgspec makes a class in a fortieth of the time.

    That is a tenth of a second of every run; an object takes a tenth of what it takes a dataclass. The header
    of a class may say `kw_only=False`, `eq=False`, and `dict=True` for cached properties. `dataclasses.field`
    gives defaults. The standard library and pydantic take a value for a dataclass; `replace` of this module
    takes a tenth of the time of theirs.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    else:
        __dataclass_fields__ = _Fields()


def _hollow(kind: type[_V]) -> _V:
    """Return an object for pydantic, which makes one first and fills it then."""
    made: _V = _blank(kind).__copy__()  # a fifth of the time that a call takes
    return made


@cache
def _blank(kind: type[_V]) -> _V:
    return kind(**dict.fromkeys(kind.__struct_fields__))


Value.__new__ = _hollow  # type: ignore[assignment, method-assign]  # no call of a class comes here


def _of_struct(name: str, given: dataclasses.Field[Any]) -> Any:
    if not (given.init and given.repr and given.compare) or given.kw_only is False:
        raise TypeError(f"{name}: only a dataclass hides or derives a field, a value does not")
    if given.default_factory is not dataclasses.MISSING:
        return struct_field(default_factory=given.default_factory)
    return struct_field() if given.default is dataclasses.MISSING else struct_field(default=given.default)


@cache
def _fields(owner: type[Value]) -> dict[str, dataclasses.Field[Any]]:
    written: dict[str, Any] = {}
    for base in reversed(owner.__mro__):
        written |= inspect.get_annotations(base)  # not vars(base): from Python 3.14 on they are not there
    names, defaults = owner.__struct_fields__, owner.__struct_defaults__
    given = [NODEFAULT] * (len(names) - len(defaults)) + list(defaults)
    made = dataclasses.make_dataclass(
        owner.__name__,
        [(name, written[name], _of_dataclass(one)) for name, one in zip(names, given, strict=True)],
        init=False,
        repr=False,
        eq=False,
        kw_only=True,
    )
    return {one.name: one for one in dataclasses.fields(made)}


def _of_dataclass(default: Any) -> Any:
    if default is NODEFAULT:
        return dataclasses.field()
    if isinstance(default, _FACTORY):
        return dataclasses.field(default_factory=default.factory)
    return dataclasses.field(default=default)


class _WithFactory(Value):
    some: list[int] = dataclasses.field(default_factory=list)


_FACTORY = type(_WithFactory.__struct_defaults__[0])
