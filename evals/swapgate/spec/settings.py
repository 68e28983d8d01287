"""Options, environment and pyproject resolved once into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from swapgate.spec.suite import GateEntry

CacheMode = Literal["auto", "live", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that steers a run. Paths are absolute. Precedence: command line > environment > pyproject > default."""

    root: Path
    models: tuple[str, ...] = ()
    baseline: str | None = None
    cases_dirs: tuple[Path, ...] = ()
    judges_dir: Path = field(default=Path("judges"))
    prompts_dir: Path = field(default=Path("prompts"))
    models_file: Path = field(default=Path("config/models.yml"))
    reports_dir: Path = field(default=Path("reports"))
    state_dir: Path = field(default=Path(".swapgate"))
    repeats: int = 1
    concurrency: int = 16
    timeout_s: float = 120.0
    retries: int = 4
    cache: CacheMode = "auto"
    recordings: tuple[Path, ...] = ()
    reports: tuple[str, ...] = ("json", "md", "html")
    gate: GateEntry | None = None
