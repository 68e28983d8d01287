"""Takes out what must not be stored: keys, e-mail addresses, phone and card numbers, the user's patterns.

Names, addresses and all else that no pattern finds stay: `docs/shadow.md` says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from swapgate.errors import UsageError
from swapgate.records import Json
from swapgate.shadow.bounded import TooLong, bounded
from swapgate.shadow.records import Exchange, Leg
from swapgate.spec.key_shapes import KEYS
from swapgate.spec.shadow import Redaction
from swapgate.values import replace

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}\b")
_CARD = re.compile(r"(?<!\d)(?<!\d\.)(?:\d[ -]?){12,18}\d(?!\.?\d)")
# How long a pattern of the user's may take: one that is not slow takes a hundredth of it.
_LONGEST_S, _CHARACTERS_PER_S = 1.0, 5e6
# What may hold a phone number: asking libphonenumber about a text without one is a waste.
_DIGITS = re.compile(r"(?:\d\D{0,4}){6,}\d")
# An image in base64 holds numbers by chance, and megabytes of them: they are looked for around it.
_BLOB = re.compile(r"((?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{1000,})")


@dataclass(slots=True, kw_only=True)
class Redactor:
    """Redacts texts and JSON, and counts by kind what it took out. Not shared by threads."""

    rules: Redaction
    counts: Counter[str] = field(default_factory=Counter)
    _own: tuple[tuple[str, re.Pattern[str]], ...] = field(init=False)

    def __post_init__(self) -> None:
        if "phone" not in self.rules.keep:
            _require_phones(self.rules.region)
        self._own = tuple((name, re.compile(pattern)) for name, pattern in self.rules.patterns.items())

    def text(self, text: str) -> str:
        """Return the text with what was found replaced by its kind in brackets."""
        for name, pattern in self._own:
            text = self._replace_own(name, pattern, text)
        if "key" not in self.rules.keep:
            text = self._replace("key", KEYS, text)
        if "email" not in self.rules.keep and "@" in text:
            text = self._replace("email", _EMAIL, text)
        between_blobs = _BLOB.split(text)
        between_blobs[::2] = [self._numbers(part) for part in between_blobs[::2]]
        return "".join(between_blobs)

    def json(self, value: Json) -> Json:
        """Return the JSON with every text in it redacted, names of fields included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        return value

    def uncounted(self, value: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return the object redacted as by `json`; what was found counts for no exchange."""
        clean = {self.text(key): self.json(item) for key, item in value.items()}
        self.counts.clear()
        return clean

    def taken(self) -> Mapping[str, int]:
        """Return the counts since the last time, by kind."""
        counts = dict(sorted(self.counts.items()))
        self.counts.clear()
        return counts

    def _replace_own(self, name: str, pattern: re.Pattern[str], text: str) -> str:
        """Replace by a pattern that somebody wrote, which may backtrack for ever; UsageError when it does."""
        try:
            with bounded(_LONGEST_S + len(text) / _CHARACTERS_PER_S):
                return self._replace(name, pattern, text)
        except TooLong:
            raise UsageError(
                f"redact.patterns: {name!r} took too long on a text of {len(text):,} characters. Write it "
                "without a repeat of what repeats, such as (a+)+ or (a|b*)*"
            ) from None

    def _replace(self, name: str, pattern: re.Pattern[str], text: str) -> str:
        text, found = pattern.subn(f"[{name}]", text)
        if found:
            self.counts[name] += found
        return text

    def _numbers(self, text: str) -> str:
        if "card" not in self.rules.keep:
            text = _CARD.sub(self._card, text)
        if "phone" not in self.rules.keep and _DIGITS.search(text):
            text = self._phones(text)
        return text

    def _card(self, found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        if not 13 <= len(digits) <= 19 or not _passes_luhn(digits):
            return found[0]
        self.counts["card"] += 1
        return "[card]"

    def _phones(self, text: str) -> str:
        from phonenumbers import Leniency, PhoneNumberMatcher

        region = self.rules.region or "ZZ"
        spans = [
            (match.start, match.end)
            for match in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING)
        ]
        self.counts["phone"] += len(spans)
        if not spans:
            del self.counts["phone"]
        return _cut(text, spans, "[phone]")


def _require_phones(region: str | None) -> None:
    if find_spec("phonenumbers") is None:
        raise UsageError(
            "phone numbers are found by phonenumbers, which is not installed: "
            "pip install 'swapgate[shadow]', or leave them in with `redact: {keep: [phone]}`"
        )
    from phonenumbers import SUPPORTED_REGIONS

    # libphonenumber takes any two letters, and then finds those with + alone.
    if region is not None and region not in SUPPORTED_REGIONS:
        raise UsageError(
            f"redact: no phone numbers of region {region!r} are known. Write a country's two letters, "
            "such as DE or GB, or `region: null` for numbers with + alone"
        )


def redacted(exchange: Exchange, redactor: Redactor) -> Exchange:
    """Return the exchange with every text in it redacted, and how much was taken out."""
    redactor.taken()
    changed = replace(
        exchange,
        request=redactor.json(exchange.request),
        tags=tuple(redactor.text(tag) for tag in exchange.tags),
        control=_redacted_leg(exchange.control, redactor),
        candidate=_redacted_leg(exchange.candidate, redactor),
        again=_redacted_leg(exchange.again, redactor),
    )
    return replace(changed, redactions=redactor.taken())


def _redacted_leg(leg: Leg | None, redactor: Redactor) -> Leg | None:
    if leg is None:
        return None
    calls = tuple(replace(call, arguments=redactor.text(call.arguments)) for call in leg.tool_calls)
    text = None if leg.text is None else redactor.text(leg.text)
    error = None if leg.error is None else redactor.text(leg.error)
    return replace(leg, text=text, tool_calls=calls, error=error)


def _cut(text: str, spans: Iterable[tuple[int, int]], word: str) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], word]
        at = end
    return "".join([*parts, text[at:]])


def _passes_luhn(digits: str) -> bool:
    """Whether the check digit is right: https://en.wikipedia.org/wiki/Luhn_algorithm."""
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0
