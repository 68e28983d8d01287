"""Texts rewritten by a model before they are embedded, through the engine's cache, limits and retries."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing

from swapgate.engine.ask import Asker
from swapgate.engine.budget import Budget, why_no_price
from swapgate.engine.call import Caller, OpenModel
from swapgate.engine.day_budget import open_day_budget
from swapgate.engine.executor import Executor, ThisProcess
from swapgate.engine.paces import Paces
from swapgate.engine.slots import Slots
from swapgate.errors import UsageError
from swapgate.memory.cache import CACHE_FILE, ResponseCache
from swapgate.providers.http_client import open_http
from swapgate.providers.open import is_user_provider, require_ready
from swapgate.records import Message, Request
from swapgate.retrieval.reindex import Summarise
from swapgate.spec.index import SummariseEntry
from swapgate.spec.models import read_catalogue
from swapgate.spec.settings import Settings
from swapgate.spec.templates import check_syntax, render_template
from swapgate.spec.token_limits import params_over


@asynccontextmanager
async def open_summaries(
    entry: SummariseEntry,
    settings: Settings,
    *,
    concurrency: int,
    max_cost: float | None,
    executor: Executor | None = None,
) -> AsyncIterator[Summarise]:
    """Yield what asks the model; an answer that is stored is never paid for again.

    `executor` opens the model (None: this process).
    """
    executor = executor or ThisProcess(timeout_s=settings.timeout_s)
    if problem := check_syntax(entry.prompt):
        raise UsageError(f"summarise: prompt: {problem}")
    spec = read_catalogue(settings.models_file).resolve(entry.model)
    require_ready(spec, settings.root, has_replay=False)
    day = open_day_budget(settings)
    if (max_cost is not None or day is not None) and (why := why_no_price(spec)):
        raise UsageError(why)
    budget = Budget(max_cost, day=day)
    cache = ResponseCache(settings.state_dir / CACHE_FILE, recordings=settings.recordings)
    with closing(cache):
        async with (
            aclosing(budget),
            open_http(concurrency=concurrency, timeout_s=settings.timeout_s) as http,
        ):
            paces = Paces(
                [(spec, executor.limits(spec))],
                most=concurrency,
                share=1,
                retries=settings.retries,
                jitter=random.Random(),  # noqa: S311 - spreads retries, decides nothing
                clock=asyncio.get_running_loop().time,
            )
            provider = executor.open_provider(spec, http=http, root=settings.root, heard=paces.listener(spec))
            opened = OpenModel(
                spec=spec, provider=provider, pace=paces.of(spec), is_foreign=is_user_provider(spec)
            )
            caller = Caller(slots=Slots(concurrency), retries=settings.retries, budget=budget)
            asker = Asker({spec.name: opened}, cache=cache, mode=settings.cache, caller=caller)
            params = params_over(spec.params, {"max_tokens": entry.max_tokens})

            async def summarise(text: str) -> str:
                content = render_template(entry.prompt, variables={"text": text}, blocks={})
                request = Request(
                    model=spec.model,
                    messages=(Message(role="user", content=content),),
                    params=params,
                    variables={"text": text},
                )
                return (await asker.ask(spec.name, request)).response.text

            try:
                yield summarise
            finally:
                await provider.close()
                await executor.close()
