"""Log-probabilities of tokens in chat completions, whole or streamed.

https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import log

from pydantic import Field, ValidationError

from swapgate.providers._told import Told
from swapgate.records import Json, Token

# Less likely alternatives change no score, and are most of the twenty that are given.
_LEAST_LOGPROB = log(1e-5)
# More of them would double what is stored, and change a probability by less than a ten-thousandth of it.
_DECIMALS = 4


class _Likely(Told):
    token: str
    logprob: float
    code_units: list[int] | None = Field(default=None, alias="bytes")

    @property
    def content(self) -> bytes:
        """The token's bytes: several tokens may share one character."""
        try:
            return (
                self.token.encode("utf-8", "replace") if self.code_units is None else bytes(self.code_units)
            )
        except ValueError:
            return self.token.encode("utf-8", "replace")


class _Listed(_Likely):
    top_logprobs: list[_Likely] = Field(default_factory=list)


class _Logprobs(Told):
    content: list[_Listed] | None = None


def read_tokens(logprobs: Json) -> tuple[Token, ...]:
    """Return the tokens of a completion in order; those that make up one character together become one.

    None in a shape that is not known: the answer itself is good all the same.
    """
    try:
        listed = _Logprobs.model_validate(logprobs).content or []
    except ValidationError:
        return ()
    return tuple(_tokens(listed))


def _tokens(listed: Iterable[_Listed]) -> Iterator[Token]:
    pending: list[_Listed] = []
    for one in listed:
        pending.append(one)
        text = _text(b"".join(part.content for part in pending))
        if text is None:
            continue
        tops = one.top_logprobs if len(pending) == 1 else []
        likely = ((_text(top.content), top.logprob) for top in tops if top.logprob >= _LEAST_LOGPROB)
        yield Token(
            text=text,
            logprob=round(sum(part.logprob for part in pending), _DECIMALS),
            top={name: round(logprob, _DECIMALS) for name, logprob in likely if name is not None},
        )
        pending = []


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
