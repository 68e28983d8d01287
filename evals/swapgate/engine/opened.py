"""An engine with all that it works with: cache, and who opens its models and runs its checks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from swapgate.engine.executor import Executor, executing
from swapgate.engine.open_files import allow_calls
from swapgate.engine.paces import is_service
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import ReadyCase
from swapgate.errors import StoreError
from swapgate.facts import Facts
from swapgate.memory.cache import CACHE_FILE, ResponseCache
from swapgate.records import Trial
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings


@contextlib.contextmanager
def open_engine(
    settings: Settings,
    models: Mapping[str, ModelSpec],
    cases: Iterable[ReadyCase] = (),
    *,
    take: Callable[[Trial, Facts, str], bool] = lambda _trial, _facts, _text: True,
    is_behind: Callable[[], bool] = lambda: False,
    share: int = 1,
    window: int | None = None,
    executor: Executor | None = None,
    spent_usd: float = 0.0,
    tell_unstored: Callable[[StoreError], object] | None = None,
) -> Iterator[Engine]:
    """Yield an engine for these models; `spent_usd` of the budget are gone.

    `executor` takes the place of the one that the settings and the cases ask for. What is done within the
    block is done before the cache closes. `tell_unstored` is told what that could not store, which is raised
    without it.
    """
    if endpoints := _endpoints(models):
        allow_calls(max(1, settings.concurrency // share), endpoints=endpoints)
    own = executing(settings, models, cases) if executor is None else contextlib.nullcontext(executor)
    with _cache(settings, tell_unstored) as cache, own as chosen:
        engine = Engine(
            settings,
            models,
            cache,
            share=share,
            window=window,
            take=take,
            is_behind=is_behind,
            executor=chosen,
            spent_usd=spent_usd,
        )
        with engine:
            yield engine


def _endpoints(models: Mapping[str, ModelSpec]) -> int:
    """Return how many services the models are of."""
    return len({(spec.provider, spec.base_url) for spec in models.values() if is_service(spec)})


@contextlib.contextmanager
def _cache(settings: Settings, tell: Callable[[StoreError], object] | None) -> Iterator[ResponseCache]:
    cache = ResponseCache(
        settings.state_dir / CACHE_FILE,
        recordings=settings.recordings,
        is_read_only=settings.cache == "replay",
    )
    try:
        yield cache
    except BaseException:
        try:
            cache.close()
        except StoreError as exc:
            if tell is not None:  # what ended the block is raised in any case
                tell(exc)
        raise
    try:
        cache.close()
    except StoreError as exc:
        if tell is None:
            raise
        tell(exc)
