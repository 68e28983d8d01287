"""The kind `python`: a function of the user's scores the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swapgate.checks import Subject
from swapgate.checks.python_check import PythonOptions, UserCheckFailed, guarded, user_function
from swapgate.errors import nearest
from swapgate.judging.code_judge import CodeJudge, Measured
from swapgate.spec.judge_kinds import PythonSpec

REASON = "reason"


def python_judge(spec: PythonSpec, *, root: Path) -> CodeJudge:
    """Return the judge with its function imported; raise OptionError at the key that is wrong."""
    function = user_function(PythonOptions(call=spec.call, args=spec.args), root)

    def measure(subject: Subject) -> Measured:
        found: Measured = guarded(spec.judge, lambda: _measured(function(subject), spec), noun="judge")
        return found

    return CodeJudge(spec, measure, source=spec.call)


def _measured(said: Any, spec: PythonSpec) -> Measured:
    """Read what a function may return: a score, scores by name, None, or one of them with a reason."""
    match said:
        case (value, str() as reason):
            return Measured(scores=_scores(value, spec), reason=reason)
        case Mapping() if REASON in said:
            scores = {name: score for name, score in said.items() if name != REASON}
            return Measured(scores=_scores(scores, spec), reason=str(said[REASON]))
    return Measured(scores=_scores(said, spec))


def _scores(value: Any, spec: PythonSpec) -> dict[str, float]:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        given = {name: score for name, score in value.items() if score is not None}
    elif len(spec.returns) == 1:
        given = {spec.returns[0]: value}
    else:
        raise _failed(
            spec, f"the judge has the scores {', '.join(spec.returns)}: return a dict, got {value!r:.80}"
        )
    return {name: _score(spec, name, score) for name, score in given.items()}


def _score(spec: PythonSpec, name: Any, score: Any) -> float:
    if name not in spec.returns:
        known = f"`returns` has {', '.join(spec.returns)}.{nearest(str(name), spec.returns)}"
        raise _failed(spec, f"the function returned an unknown score {name!r}; {known}")
    number = score.item() if hasattr(score, "item") else score  # numpy's numbers are none of Python's
    if not isinstance(number, bool | int | float) or not math.isfinite(number):
        raise _failed(
            spec, f"the function may return a bool, a number, None or a dict of them, got {score!r:.80}"
        )
    return float(number)


def _failed(spec: PythonSpec, message: str) -> UserCheckFailed:
    return UserCheckFailed(message, check=spec.judge, noun="judge")
