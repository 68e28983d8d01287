"""Traffic of seven days, seeded and with a clock of its own, with candidates of known quality.

`python tests/shadow_traffic.py FILE` fills a store with that of a candidate that is bad at one language.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from swapgate.errors import ErrorKind
from swapgate.records import Response, Usage
from swapgate.shadow.records import Exchange, Leg, answered
from swapgate.shadow.store import ShadowStore

START = datetime(2026, 11, 16, tzinfo=UTC)
LABELS = ("approve", "request_changes", "comment")
ROUTE, CONTROL, CANDIDATE = "code_review", "gpt-5.5", "deepseek-v4-pro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a candidate differs from the control beyond noise.

    `differs` is the share of requests on which it decides otherwise where the control would not, `in_slice`
    the same for single languages. `noise` is how often any answer is another than the usual one, for the
    control and the candidate alike.
    """

    differs: float = 0.0
    in_slice: Mapping[str, float] = field(default_factory=dict)
    fenced: float = 0.0
    fails: float = 0.0
    refuses: float = 0.0
    latency: float = 1.0
    cost: float = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the traffic is like, whoever answers it."""

    days: int = 7
    per_day: int = 600
    users: int = 400
    languages: Mapping[str, float] = field(default_factory=lambda: {"python": 0.5, "go": 0.3, "rust": 0.2})
    noise: float = 0.04
    again_share: float = 0.25


def traffic(
    quality: Quality, *, seed: int = 0, world: World | None = None, content: bool = True
) -> Iterator[Exchange]:
    """Yield exchanges in the order of time."""
    world = world or World()
    random = Random(seed)
    names, weights = list(world.languages), list(world.languages.values())
    for day in range(world.days):
        for number in range(world.per_day):
            at = START + timedelta(days=day, seconds=86_400 * number / world.per_day)
            user = random.randrange(world.users)
            language = random.choices(names, weights)[0]
            yield _exchange(quality, world, random, at, f"{seed}-{day}-{number}", user, language, content)


def _exchange(
    quality: Quality,
    world: World,
    random: Random,
    at: datetime,
    key: str,
    user: int,
    language: str,
    content: bool,
) -> Exchange:
    usual = random.choice(LABELS)

    def said(share: float) -> str:
        return random.choice([x for x in LABELS if x != usual]) if random.random() < share else usual

    differs = quality.in_slice.get(language, quality.differs)
    again = _leg(CONTROL, said(world.noise), random) if random.random() < world.again_share else None
    return Exchange(
        key=key,
        route=ROUTE,
        at=at.isoformat(timespec="milliseconds"),
        api="chat",
        setup="s1",
        tags=(f"language:{language}",),
        unit=f"u{user}",
        request={"messages": [{"role": "user", "content": f"Review this {language} diff {key}"}]}
        if content
        else None,
        request_hash=key,
        control=_leg(CONTROL, said(world.noise), random),
        candidate=_candidate(quality, said(world.noise + differs), random),
        again=again,
        wants_again=again is not None,
    )


def _candidate(quality: Quality, label: str, random: Random) -> Leg:
    chance = random.random()
    if chance < quality.fails:
        kind = random.choice([ErrorKind.TIMEOUT, ErrorKind.RATE_LIMIT])
        return Leg(model=CANDIDATE, status=None, error_kind=kind, error=f"{kind.value} after 60 s")
    if chance < quality.fails + quality.refuses:
        return answered(
            CANDIDATE, Response(text="I can't help with that.", finish_reason="refusal", latency_s=0.4)
        )
    is_fenced = random.random() < quality.fenced
    return _leg(CANDIDATE, label, random, is_fenced=is_fenced, latency=quality.latency, cost=quality.cost)


def _leg(
    model: str,
    label: str,
    random: Random,
    *,
    is_fenced: bool = False,
    latency: float = 1.0,
    cost: float = 1.0,
) -> Leg:
    summary = f"It is {label}, case {random.randrange(1000)}."
    # As the schema of the suite `code_review` of this repository wants it.
    text = json.dumps({"issues": [], "summary": summary, "recommendation": label})
    tokens = Usage(tokens_in=800 + random.randrange(200), tokens_out=350 + random.randrange(100))
    taken = latency * random.lognormvariate(0.7, 0.4)
    leg = answered(
        model,
        Response(
            text=f"```json\n{text}\n```" if is_fenced else text,
            usage=tokens,
            latency_s=taken,
            ttft_s=taken / 5,
            model_served=model,
        ),
    )
    return replace(leg, cost_usd=cost * ((tokens.tokens_in or 0) * 5 + (tokens.tokens_out or 0) * 30) / 1e6)


if __name__ == "__main__":
    with closing(ShadowStore(Path(sys.argv[1]))) as store:
        bad = Quality(in_slice={"rust": 0.2}, fails=0.004, refuses=0.002)
        print(store.add_new(traffic(bad, seed=3, world=World(per_day=300))), "exchanges")
