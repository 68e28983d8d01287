"""What services say, as models: the base of them all."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

# No exchange has as many: whoever tells more has miscounted.
_MOST_TOKENS = 10**9


class Told(BaseModel):
    """What a service says. How to read it is worked out when it first does: never in a run from the cache."""

    model_config = ConfigDict(defer_build=True)


def _counted(told: Any, read: ValidatorFunctionWrapHandler) -> int | None:
    try:
        tokens: int | None = read(told)
    except ValidationError:
        return None
    return tokens if tokens is not None and 0 <= tokens <= _MOST_TOKENS else None


# A count that cannot be is unknown: it must not lower what was spent, nor lose an answer that was paid for.
Tokens = Annotated[int | None, WrapValidator(_counted)]
