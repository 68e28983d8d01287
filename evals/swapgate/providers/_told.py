"""What services say, as models: the base of them all."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Told(BaseModel):
    """What a service says. How to read it is worked out when it first does: never in a run from the cache."""

    model_config = ConfigDict(defer_build=True)
