"""`config/models.lock`: what every model of models.yml was when somebody last looked. Reviewed like code."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from swapgate.pins.rules import PinClass
from swapgate.spec.source import Document, read_yaml, validate
from swapgate.spec.suite import Written

FORMAT = "swapgate.models.lock"
VERSION = "1.1.0"
_HEAD = """\
# What each model of models.yml was when `swapgate models lock` last ran. Commit it: a change here is a change
# of a model. `swapgate models check` holds models.yml, the newest runs and the providers against it.
"""


class LockedModel(Written):
    """One model: what was asked for, what that is worth, and what answered.

    `base_url` is an address of the user's own, `sha256` the declared hash of a local file.

    `served` are the ids that the service gave in the run, `fingerprints` those of its configuration; both
    are empty where no run is known (`run` is None).
    """

    provider: str
    model: str
    base_url: str | None = None
    sha256: str | None = None
    class_: PinClass = Field(alias="class")
    rule: str
    retires_on: date | None = None
    served: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    run: str | None = None

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What makes a model another one."""
        return self.provider, self.model, self.base_url, self.sha256


class LockedTask(Written):
    """What a task was asked with in the run: hashes of its prompts by suite, and of its judges.

    `model` is the name below `models` that answers for it: its own where it has settings of its own.
    """

    model: str
    prompts: dict[str, str] = Field(default_factory=dict)
    judges: dict[str, str] = Field(default_factory=dict)
    run: str | None = None


class Lock(Written):
    """The lock file. `catalogue` is the day of the catalogue that the classes rest on."""

    format: Literal["swapgate.models.lock"]
    version: str = Field(pattern=r"^1\.\d+\.\d+$")
    catalogue: date
    prices: str
    models: dict[str, LockedModel]
    tasks: dict[str, LockedTask] = Field(default_factory=dict)


def read_lock(path: Path) -> Lock | None:
    """Return the lock of a file, None where there is none; SpecError for one that cannot be read."""
    if not path.exists():
        return None
    document = read_yaml(path)
    _refuse_other_version(document)
    return validate(Lock, document, noun="the lock")


def lock_text(lock: Lock) -> str:
    """Return the lock as it is written: sorted, a key a line, so that a change is a small diff."""
    import yaml

    value = lock.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    value["version"] = lock.version
    dumped: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    return _HEAD + dumped


def _refuse_other_version(document: Document) -> None:
    written = document.at("/version")
    if isinstance(written, str) and not written.startswith("1."):
        raise document.error(
            f"the lock is of version {written}, and this swapgate reads 1.x: update swapgate, or write it "
            "anew with `swapgate models lock`",
            "/version",
        )
