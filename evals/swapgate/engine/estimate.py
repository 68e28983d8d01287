"""How many tokens a request takes, before it is sent: what is expected, and the most it can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING

from swapgate.records import Json, Request, once_for_each
from swapgate.spec.models import ModelSpec
from swapgate.spec.token_limits import most_tokens
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.memory.stored_responses import Sample

# English text and code: https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them
CHARS_PER_TOKEN = 4
# A Chinese character is three bytes and 0.6 to 0.9 of a token, a Cyrillic one two bytes and a third or more:
# https://api-docs.deepseek.com/quick_start/token_usage, https://huggingface.co/Cohere/multilingual-22-12
BYTES_PER_TOKEN = 3
TURN_TOKENS = 8
# Tool use brings a system prompt of the provider's own, of up to 805 tokens at Anthropic:
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
TOOLS_TOKENS = 1000
MOST_TIMES_EXPECTED = 2
DEFAULT_TOKENS_OUT = 400
DEFAULT_MOST_TOKENS_OUT = 8192
_ANSWERS = ("n", "best_of", "candidate_count", "candidateCount")


class Size(Value):
    """The text of a request: characters, those of them that are ASCII, bytes in UTF-8, turns."""

    chars: int
    ascii_chars: int
    utf8_bytes: int
    turns: int
    has_tools: bool = False

    @property
    def tokens(self) -> int:
        """The tokens that a text of this size usually has."""
        other_bytes = self.utf8_bytes - self.ascii_chars
        return ceil(self.ascii_chars / CHARS_PER_TOKEN + other_bytes / BYTES_PER_TOKEN)

    @property
    def overhead(self) -> int:
        """The tokens that providers add, at most."""
        return TURN_TOKENS * self.turns + (TOOLS_TOKENS if self.has_tools else 0)

    @property
    def most_tokens(self) -> int:
        """The tokens that it hardly ever exceeds; never more than bytes, of which tokens are made."""
        return min(MOST_TIMES_EXPECTED * self.tokens, self.utf8_bytes) + self.overhead


class Expected(Value):
    """The tokens of one call. `is_measured` says that stored answers of this model are behind them."""

    tokens_in: int
    tokens_out: int
    most_in: int
    most_out: int
    is_measured: bool = False


def size_of(request: Request) -> Size:
    """Return how much text a request sends, tools and schema included."""
    texts = list(_texts(request))
    chars = sum(map(len, texts))
    encoded = sum(len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts)
    ascii_chars = sum(len(t) if t.isascii() else len(t.encode("ascii", "ignore")) for t in texts)
    return Size(
        chars=chars,
        ascii_chars=ascii_chars,
        utf8_bytes=encoded,
        turns=len(request.messages) + 1,
        has_tools=bool(request.tools),
    )


def most_tokens_out(spec: ModelSpec, request: Request) -> int:
    """Return the limit on the answer's tokens that is sent, else what an answer is taken to have at most.

    Several answers to one request are paid for one by one.
    """
    params = {name: value for name, value in request.params.items() if name not in spec.unset}
    limit = most_tokens(params)
    given = [params.get(name) for name in _ANSWERS]
    answers = max([1, *(n for n in given if isinstance(n, int) and not isinstance(n, bool))])
    return answers * (DEFAULT_MOST_TOKENS_OUT if limit is None else max(0, limit))


@dataclass(slots=True)
class _Known:
    """What stored answers of one model tell: in one role, or in both."""

    chars: int = 0
    counted_in: int = 0
    answers: int = 0
    tokens_out: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        if sample.chars and sample.tokens_in:
            self.chars += sample.chars
            self.counted_in += sample.tokens_in
        if sample.tokens_out is not None:
            self.answers += 1
            self.tokens_out += sample.tokens_out
        if sample.latency_s is not None:
            self.latencies_s.append(sample.latency_s)


class Estimator:
    """Estimates requests by the stored answers of a workspace, as far as there are any.

    Best known is a prompt that has been sent before: the same case, as long as now. Then comes the model's
    own ratio of tokens to characters, then what is usual.
    """

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._models: dict[str, _Known] = {}
        self._roles: dict[tuple[str, str], _Known] = {}
        self._sent: dict[tuple[str, str, str, str, int], int] = {}
        for sample in samples:
            self._models.setdefault(sample.model, _Known()).add(sample)
            self._roles.setdefault((sample.model, sample.role), _Known()).add(sample)
            if sample.chars is not None and sample.tokens_in is not None:
                place = (sample.model, sample.role, sample.suite, sample.case, sample.chars)
                self._sent[place] = sample.tokens_in

    def expect(self, spec: ModelSpec, request: Request, *, role: str) -> Expected:
        """Return the tokens of a call; `role` is `model` or `judge`."""
        size = size_of(request)
        most_out = most_tokens_out(spec, request)
        known = self._roles.get((spec.name, role)) or self._models.get(spec.name) or _Known()
        tokens_in, most_in = self._tokens_in(spec, request, size, role=role)
        tokens_out = round(known.tokens_out / known.answers) if known.answers else DEFAULT_TOKENS_OUT
        return Expected(
            tokens_in=tokens_in,
            tokens_out=min(tokens_out, most_out),
            most_in=most_in,
            most_out=most_out,
            is_measured=known.answers > 0,
        )

    def latency_s(self, model: str) -> float | None:
        """Return the mean latency of a model's stored answers in seconds, None without any."""
        known = self._models.get(model)
        return fmean(known.latencies_s) if known is not None and known.latencies_s else None

    def _tokens_in(self, spec: ModelSpec, request: Request, size: Size, *, role: str) -> tuple[int, int]:
        place = (spec.name, role, request.suite, request.case, size.chars)
        if (sent := self._sent.get(place)) is not None:
            return sent, ceil(1.02 * sent)
        known = self._models.get(spec.name)
        if known is None or not known.chars:
            return size.tokens, size.most_tokens
        measured = ceil(size.chars * known.counted_in / known.chars)
        return measured, max(size.most_tokens, MOST_TIMES_EXPECTED * measured)


def _texts(request: Request) -> Iterator[str]:
    for message in request.messages:
        yield message.content
        yield from (f"{call.name}{call.arguments}" for call in message.tool_calls)
    for tool in request.tools:
        yield json.dumps(tool, ensure_ascii=False, default=dict)
    if request.output_schema is not None:
        yield _schema_text(request.output_schema)


@once_for_each
def _schema_text(schema: Mapping[str, Json]) -> str:
    return json.dumps(schema, ensure_ascii=False, default=dict)
