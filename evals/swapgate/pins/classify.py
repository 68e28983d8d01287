"""Which kind of pin a model id is. Shape alone is wrong: every provider has its own rules, and they change.

The evidence in order: what the catalogue knows of an id and its siblings, then the provider's rule for the
shape. An id that neither tells of is unknown, and unknown is never pinned.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import urlsplit

from swapgate.pins.catalogue import KnownModel, PinCatalogue
from swapgate.pins.rules import RULES, Found, PinClass
from swapgate.values import Value

# Those that need no service, and the services whose ids the catalogue lists.
_OWN = frozenset({"recorded", "local", "python"})
_LISTED = frozenset({"openai", "anthropic", "gemini", "google", "mistral", "deepseek", "xai"})
PINNED: frozenset[PinClass] = frozenset({"pinned", "provider_pinned_undated"})


class Pin(Value):
    """What a model id is worth as a pin. `rule` names the rule, `evidence` says what it rests on.

    `known` is what the catalogue knows of exactly this id, None where it knows nothing.
    """

    provider: str
    model: str
    kind: PinClass
    rule: str
    evidence: str
    known: KnownModel | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether the provider promises that the id stands for one model."""
        return self.kind in PINNED


def classify(
    provider: str,
    model: str,
    *,
    catalogue: PinCatalogue,
    today: date,
    base_url: str | None = None,
    has_digest: bool = False,
) -> Pin:
    """Return the pin of a model as `models.yml` declares it.

    `base_url` is an address of the user's own: whoever listens there decides what an id means. `has_digest`
    says that the file of a local model is declared by its SHA-256. Ids are compared as the provider writes
    them; nothing is guessed from a similar id.
    """
    known = catalogue.find(provider, model)
    if provider in _OWN:
        kind, rule, evidence = _own(provider, has_digest=has_digest)
    elif base_url is not None:
        kind, rule, evidence = (
            "gateway_alias",
            "other-address",
            f"{_host(base_url)} decides what {model!r} means",
        )
    elif provider in RULES:
        kind, rule, evidence = RULES[provider](model, catalogue, today)
    else:
        kind, rule, evidence = "unknown", "unknown-provider", f"nothing is known of ids of {provider!r}"
    if provider in _LISTED:
        evidence = f"{evidence}; {_listed(known, catalogue)}"
    return Pin(provider=provider, model=model, kind=kind, rule=rule, evidence=evidence, known=known)


def _host(base_url: str) -> str:
    """Return the host of an address, without a user's name and password that may stand before it."""
    return urlsplit(base_url).hostname or "the address"


def _listed(known: KnownModel | None, catalogue: PinCatalogue) -> str:
    if known is None:
        return f"the catalogue of {catalogue.checked_on} does not list the id"
    return f"listed by {', '.join(known.sources)} on {catalogue.checked_on}"


def _own(provider: str, *, has_digest: bool) -> Found:
    if provider == "recorded":
        return "pinned", "recording", "recorded answers do not change"
    if provider == "python":
        return "unknown", "own-code", "your own code decides what answers"
    if has_digest:
        return "pinned", "file-hash", "the file is declared by its SHA-256"
    return "unknown", "file", "the file may be replaced by another: declare its `sha256`"
