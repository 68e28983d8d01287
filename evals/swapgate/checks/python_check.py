"""The check `python`: a function of the user's decides. And what becomes of exceptions in user code."""

from __future__ import annotations

import copy
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from swapgate.checks import Subject
from swapgate.checks.findings import result
from swapgate.checks.imports import load_object
from swapgate.checks.options import CheckOptions, CheckType, Folders, OptionError
from swapgate.daemon import message_of
from swapgate.errors import SwapgateError, nearest
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.values import Value, replace

MAX_FINDINGS: Final = 20
_GIVEN: Final[dict[str, Callable[[Subject], Any]]] = {
    "text": lambda s: s.response.text,
    "parsed": lambda s: copy.deepcopy(s.reading.recovered if s.parsed is None else s.parsed),
    "expected": lambda s: copy.deepcopy(s.expected),
    "variables": lambda s: dict(s.variables),
    "response": lambda s: s.response,
    "subject": lambda s: s,
}


class UserCheckFailed(SwapgateError):
    """A check, or a judge that is code, has no result: the user's code raised, or the case lacks something.

    `exception` is the type's name and `place` the `file:line` of the user's code; None where nothing raised.
    """

    def __init__(
        self,
        message: str,
        *,
        check: str,
        exception: str | None = None,
        place: str | None = None,
        noun: str = "check",
    ) -> None:
        self.message = message
        self.check = check
        self.exception = exception
        self.place = place
        self.noun = noun
        told = ": ".join(part for part in (exception, message) if part)
        super().__init__(f"the {noun} {check!r} could not be decided: {told}{f' ({place})' if place else ''}")


def guarded(check: str, call: Callable[[], Any], *, noun: str = "check") -> Any:
    """Return what the user's code returns; whatever it raises becomes UserCheckFailed.

    Also KeyboardInterrupt and the like: outside of the main thread no Ctrl-C arrives, so they are the code's.
    """
    try:
        return call()
    except UserCheckFailed:
        raise
    except BaseException as exc:
        raise UserCheckFailed(
            message_of(exc), check=check, exception=type(exc).__name__, place=_place_of(exc), noun=noun
        ) from exc


def _place_of(exc: BaseException) -> str | None:
    """Return the innermost `file:line` outside swapgate."""
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if f.filename != __file__]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


class PythonOptions(CheckOptions):
    """A function of the user's and what it is given beside the answer."""

    call: str = Field(
        description="the function, as package.module:name; modules are found from the workspace root"
    )
    kind: CheckKind = Field(default="structural", description="semantic: the function judges the meaning")
    args: dict[str, Json] = Field(default_factory=dict, description="further arguments, passed by keyword")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take `package.module:name` for `{call: ...}`."""
        return {"call": written} if isinstance(written, str) else super().expand(written)

    def names(self, name: str) -> Iterator[str]:
        """Name the check after its function."""
        yield f"{name}:{self.call.rpartition(':')[2]}"


class UserFunction(Value):
    """A function of the user's, and what each of its parameters gets of a subject."""

    function: Callable[..., Any]
    given: Mapping[str, str]
    args: Mapping[str, Json] = field(default_factory=dict)

    def __call__(self, subject: Subject) -> Any:
        """Return what the function returns; whatever it raises goes through."""
        values = {parameter: _GIVEN[what](subject) for parameter, what in self.given.items()}
        return self.function(**values, **copy.deepcopy(dict(self.args)))


class PythonCheck(Value):
    """Calls the user's function. True, None or an empty list pass; False, a sentence or findings fail."""

    name: str
    function: UserFunction
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return the function's answer as a result; raises UserCheckFailed when the function raises."""
        found: CheckResult = guarded(self.name, lambda: self._result(self.function(subject)))
        return found

    def _result(self, said: Any) -> CheckResult:
        match said:
            case None | True:
                return result(self.name, [], kind=self.kind)
            case False:
                return result(self.name, [Finding(message=f"{self.name} returned False.")], kind=self.kind)
            case str():
                return result(self.name, [Finding(message=said)], kind=self.kind)
            case CheckResult():
                return replace(said, check=self.name, kind=self.kind)
            case list() | tuple() if all(isinstance(item, Finding) for item in said):
                return result(self.name, said, kind=self.kind)
        allowed = "a bool, a text, None, a CheckResult or a list of Finding"
        message = f"the function may return {allowed}, got {said!r:.80}"
        raise UserCheckFailed(message, check=self.name)


def _build_python(name: str, options: PythonOptions, folders: Folders) -> PythonCheck:
    return PythonCheck(name=name, function=user_function(options, folders.root), kind=options.kind)


def user_function(options: PythonOptions, root: Path) -> UserFunction:
    """Return the function that the options name, found from the workspace root; raise OptionError."""
    function = load_object(options.call, root=root, key="call")
    if not callable(function):
        raise OptionError(f"{options.call!r} is not a function but {type(function).__name__}", "call")
    if inspect.iscoroutinefunction(function):
        raise OptionError(f"{options.call!r} is async; write a plain function", "call")
    return UserFunction(function=function, given=_given(function, options), args=options.args)


def _given(function: Callable[..., Any], options: PythonOptions) -> dict[str, str]:
    """Return what each parameter gets: by its name, and the first one gets the text whatever it is called."""
    try:
        parameters = inspect.signature(function).parameters
    except ValueError as exc:
        raise OptionError(
            f"the parameters of {options.call!r} cannot be known; wrap it in a function", "call"
        ) from exc
    given: dict[str, str] = {}
    for number, parameter in enumerate(parameters.values()):
        what = parameter.name if parameter.name in _GIVEN else "text" if number == 0 else ""
        if parameter.name in options.args or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise OptionError(
                f"{options.call!r} takes {parameter.name!r} by position only; drop the '/'", "call"
            )
        if what:
            given[parameter.name] = what
        elif parameter.default is parameter.empty:
            known = ", ".join(_GIVEN)
            raise OptionError(
                f"{options.call!r} wants {parameter.name!r}: add it to `args`. Known without: {known}.",
                "call",
            )
    _refuse_unknown(parameters, options)
    return given


def _refuse_unknown(parameters: Mapping[str, inspect.Parameter], options: PythonOptions) -> None:
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in options.args:
        if name not in parameters:
            raise OptionError(
                f"{options.call!r} has no parameter {name!r}.{nearest(name, parameters)}", "args", name
            )


PYTHON = CheckType(
    name="python",
    summary="A function of yours decides.",
    options=PythonOptions,
    build=_build_python,
    short_forms=({"type": "string"},),
)
