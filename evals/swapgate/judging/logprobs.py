"""Scores weighted by the log-probabilities of the reply's tokens (G-Eval, Liu et al. 2023, section 3).

The score of a criterion is the mean over the points of its scale, each weighted by the probability that the
judge gave to it at the place of the score in its reply. What was written before that place is taken as given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import exp

from swapgate.judging.questions import Question
from swapgate.judging.shape import Shape
from swapgate.records import Token
from swapgate.values import Value

# As many alternatives as OpenAI gives: https://platform.openai.com/docs/api-reference/chat/create
TOP_LOGPROBS = 20
# Where more of the probability than this could belong to several points, the plain score is used.
MOST_UNRESOLVED = 0.05
QUOTE = '"'
_AFTER_NUMBER = ",}] \t\r\n."


class Weighted(Value):
    """The scores of one question as means over what can be answered, and the probability of each answer."""

    scores: Mapping[str, float]
    weights: Mapping[str, float]


def weighted_scores(
    text: str, tokens: Sequence[Token], shape: Shape, scores: Mapping[str, float]
) -> dict[str, Weighted]:
    """Return by question the weighted scores, where the answer gave one and its place is in the tokens."""
    places = _places(text, written="".join(token.text for token in tokens))
    found = {
        name: _weighted(tokens, places[key], name, shape.criteria[name])
        for key, name in shape.keys.items()
        if key in places and any(score in scores for score in shape.criteria[name].gives(name))
    }
    return {name: weighted for name, weighted in found.items() if weighted is not None}


def label_shares(tokens: Sequence[Token], start: int, labels: Sequence[str], end: str) -> dict[str, float]:
    """Return how probable each label is from character `start` of the reply on, before any is normalised.

    `end` are characters one of which follows a label. The reply's own tokens are followed as far as they
    leave it open which label it will be: at each of them, the alternatives that branch off to one label
    alone count for it. What may still become several labels is the share of the label "".
    """
    shares = dict.fromkeys((*labels, ""), 0.0)
    index, offset = _token_at(tokens, start)
    path, said = 1.0, ""
    while index < len(tokens):
        token = tokens[index]
        before = token.text[:offset]
        for text, logprob in {**token.top, token.text: token.logprob}.items():
            rest = text if said else _after(text, before, is_text=end == QUOTE)
            if text == token.text or rest is None:
                continue
            if (label := _meant(said + rest, labels, end, token)) is not None:
                shares[label] += path * exp(logprob)
        path *= exp(token.logprob)
        said += token.text[offset:]
        candidates = _candidates(said, labels, end)
        if len(candidates) < 2:
            shares.update({label: shares[label] + path for label in candidates})
            break
        index, offset = index + 1, 0
    else:
        shares[""] += path
    return shares


def _weighted(tokens: Sequence[Token], start: int, name: str, question: Question) -> Weighted | None:
    answers = _answers(name, question)
    end = QUOTE if question.scale is None else _AFTER_NUMBER
    shares = label_shares(tokens, start, list(answers), end)
    # An abstention gives no score, and takes no part in the means.
    known = {word: shares[word] for word, scores in answers.items() if scores and shares[word] > 0}
    total = sum(known.values())
    if total <= 0 or shares[""] > MOST_UNRESOLVED * (total + shares[""]):
        return None
    weights = {word: share / total for word, share in known.items()}
    means = dict.fromkeys(question.gives(name), 0.0)
    for word, weight in weights.items():
        for score, value in answers[word].items():
            means[score] += weight * value
    return Weighted(scores=means, weights=weights)


def _answers(name: str, question: Question) -> Mapping[str, Mapping[str, float]]:
    """Return everything that can be answered, with the scores that it gives."""
    if question.scale is None:
        return question.words
    low, high = question.scale
    return {str(point): {name: float(point)} for point in range(low, high + 1)}


def _candidates(said: str, labels: Sequence[str], end: str) -> list[str]:
    """Return the labels that a text is, or begins: one alone where the text has come to its end."""
    cut = next((place for place, character in enumerate(said) if character in end), None)
    if cut is not None:
        return [label for label in labels if label == said[:cut]]
    return [label for label in labels if label.startswith(said)]


def _meant(said: str, labels: Sequence[str], end: str, token: Token) -> str | None:
    """Return the label that an alternative leads to, "" where it may be several, None where it is none.

    A whole label that others go on from (1 and 10) is meant itself if one of those stands among the
    alternatives as one token: then this model does not write it in two.
    """
    candidates = _candidates(said, labels, end)
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    longer = [label for label in candidates if label != said]
    is_whole = said in candidates and said and any(text.strip().endswith(tuple(longer)) for text in token.top)
    return said if is_whole else ""


def _after(text: str, before: str, *, is_text: bool) -> str | None:
    """Return what an alternative says after the part that precedes the label; white space around it is free.

    Within quotes white space is part of the label. None where the alternative goes another way.
    """
    rest = text
    for part in before.split():
        rest = rest.lstrip()
        if not rest.startswith(part):
            return None
        rest = rest[len(part) :]
    return rest if is_text else rest.lstrip()


def _token_at(tokens: Sequence[Token], start: int) -> tuple[int, int]:
    """Return the token in which a character of the reply stands, and its place in the token."""
    begins = 0
    for index, token in enumerate(tokens):
        if start < begins + len(token.text):
            return index, start - begins
        begins += len(token.text)
    return len(tokens), 0


def _places(text: str, *, written: str) -> dict[str, int]:
    """Return where in the tokens' text the value of each key of the reply's object begins.

    Of a text that is after its quote. The reply has been read as one object already. The tokens may hold more
    than the server gives as its text: a thought before it, a fence around it, a sign of the end.
    """
    begins = written.rfind(text.strip())
    if begins < 0:
        return {}
    reply = text.strip()
    return {key: begins + at for key, at in _members(reply, reply.find("{") + 1)}


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    decoder = json.JSONDecoder()
    try:
        while (at := _skip(text, at, " \t\r\n,")) < len(text) and text[at] == QUOTE:
            key, at = decoder.raw_decode(text, at)
            at = _skip(text, at, " \t\r\n:")
            yield str(key), at + (text[at] == QUOTE)
            _value, at = decoder.raw_decode(text, at)
    except (ValueError, IndexError, RecursionError):
        return


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
