"""What services say, as models: the base of them all."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

# No exchange has as many: whoever tells more has miscounted.
_MOST_TOKENS = 10**9


class Told(BaseModel):
    """What a service says. How to read it is worked out when it first does: never in a run from the cache."""

    model_config = ConfigDict(defer_build=True)


def _or_unknown(told: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(told)
    except ValidationError:
        return None


# For what stands beside an answer: in another shape it is unknown, and the answer that was paid for stays.
Beside = WrapValidator(_or_unknown)


def _counted(told: Any, read: ValidatorFunctionWrapHandler) -> int | None:
    tokens: int | None = _or_unknown(told, read)
    return tokens if tokens is not None and 0 <= tokens <= _MOST_TOKENS else None


# A count that cannot be is unknown: it must not lower what was spent, nor lose an answer that was paid for.
Tokens = Annotated[int | None, WrapValidator(_counted)]
