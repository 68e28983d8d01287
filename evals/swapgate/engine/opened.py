"""An engine with all that it works with: cache, and who opens its models and runs its checks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from swapgate.engine.ray_executor import executing
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import ReadyCase
from swapgate.facts import Facts
from swapgate.memory.cache import CACHE_FILE, ResponseCache
from swapgate.records import Trial
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings


@contextlib.contextmanager
def open_engine(
    settings: Settings,
    models: Mapping[str, ModelSpec],
    cases: Sequence[ReadyCase],
    *,
    take: Callable[[Trial, Facts, str], bool] = lambda _trial, _facts, _text: True,
    spent_usd: float = 0.0,
) -> Iterator[Engine]:
    """Yield an engine for these cases; `spent_usd` of the budget are gone.

    What is done within the block is done before the cache closes, which may fail on a full disk.
    """
    cache = ResponseCache(settings.state_dir / CACHE_FILE, recordings=settings.recordings)
    with (
        contextlib.closing(cache),
        executing(settings, models, cases) as executor,
        Engine(settings, models, cache, take=take, executor=executor, spent_usd=spent_usd) as engine,
    ):
        yield engine
