"""What is wrong with the models that a catalogue declares: ids that move or retire, parameters, fallbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from swapgate.errors import Severity, nearest
from swapgate.pins.catalogue import KnownModel, PinCatalogue
from swapgate.pins.classify import Pin, classify
from swapgate.spec.model_entries import AcceptUnpinned
from swapgate.spec.models import Catalogue, ModelSpec
from swapgate.values import Value

SOON_DAYS = 90
_PLACES = frozenset({"local", "recorded", "python"})


class Finding(Value):
    """One thing to put right. `rule` names it for machines; `model` is the name in models.yml.

    `part` and `key` say where it stands: the part of the file (`models` or `tasks`) and the key of the entry.
    """

    rule: str
    severity: Severity
    model: str
    message: str
    part: str = "models"
    key: str = ""


class DeclaredModel(Value):
    """A name of models.yml with what stands behind it, and how long it is good for.

    `days_left` are those until it retires, negative where it has; None where no date is known.
    """

    name: str
    part: str
    spec: ModelSpec
    pin: Pin
    accepted: AcceptUnpinned | None = None
    days_left: int | None = None


def declared_models(catalogue: Catalogue, known: PinCatalogue, *, today: date) -> list[DeclaredModel]:
    """Return every model and task of the file, classified."""
    return [_declared(catalogue, name, known, today) for name in catalogue.names()]


def _declared(catalogue: Catalogue, name: str, known: PinCatalogue, today: date) -> DeclaredModel:
    spec = catalogue.resolve(name)
    entry = catalogue.models.get(spec.entry or spec.name)
    pin = pin_of(spec, known, today=today)
    return DeclaredModel(
        name=name,
        part="models" if name in catalogue.models else "tasks",
        spec=spec,
        pin=pin,
        accepted=entry.accept_unpinned if entry else None,
        days_left=_days_left(pin, today),
    )


def pin_of(spec: ModelSpec, known: PinCatalogue, *, today: date) -> Pin:
    """Return the pin of a resolved model."""
    return classify(
        spec.provider,
        spec.model,
        catalogue=known,
        today=today,
        base_url=spec.base_url,
        has_digest=spec.sha256 is not None,
    )


def _days_left(pin: Pin, today: date) -> int | None:
    retires_on = pin.known.retires_on if pin.known else None
    return (retires_on - today).days if retires_on else None


def lint(
    catalogue: Catalogue, models: Sequence[DeclaredModel], known: PinCatalogue, *, today: date
) -> list[Finding]:
    """Return what is wrong, in the order of the file. A task that only names a model repeats nothing."""
    entries = [m for m in models if m.part == "models" or m.spec.name == m.name]
    return [finding for model in entries for finding in _findings(catalogue, model, known, today)]


def _findings(
    catalogue: Catalogue, model: DeclaredModel, known: PinCatalogue, today: date
) -> Iterator[Finding]:
    yield from _pin_findings(model, today)
    yield from _retirement(model)
    if model.pin.known is None and (near := _near(model.pin, known)):
        yield _finding(
            model, "unlisted", "warning", f"{near} Check its spelling, or ask the provider", "model"
        )
    if model.pin.known is not None:
        yield from _refused(model, model.pin.known)
    if _is_free(model.spec):
        free = (
            "its price is 0, so its calls cost nothing in every report: leave `price` out to use list prices"
        )
        yield _finding(model, "zero-price", "warning", free, "price")
    yield from _fallbacks(catalogue, model, known, today)


def _pin_findings(model: DeclaredModel, today: date) -> Iterator[Finding]:
    accepted = model.accepted
    if model.pin.is_pinned:
        if accepted is not None:
            needless = (
                f"{model.pin.model!r} is pinned ({model.pin.evidence}): `accept_unpinned` is not needed"
            )
            yield _finding(model, "accepted-needlessly", "note", needless, "accept_unpinned")
        return
    told = f"{model.pin.model!r} is {_KINDS[model.pin.kind]}: {model.pin.evidence}"
    if accepted is None:
        ask = "Name a pinned id, or write `accept_unpinned: {reason: ..., until: YYYY-MM-DD}`"
        yield _finding(model, model.pin.kind, "error", f"{told}. {ask}", "model")
    elif accepted.until < today:
        over = f"{told}. It was accepted until {accepted.until}: look again, then move the date"
        yield _finding(model, "acceptance-over", "error", over, "accept_unpinned")
    else:
        until = f"{told}. Accepted until {accepted.until}: {accepted.reason}"
        yield _finding(model, model.pin.kind, "note", until, "accept_unpinned")


_KINDS = {
    "floating": "a floating id",
    "preview": "a preview",
    "gateway_alias": "an alias of a gateway",
    "unknown": "not known to be pinned",
}


def _retirement(model: DeclaredModel) -> Iterator[Finding]:
    known, left = model.pin.known, model.days_left
    if known is None or left is None or left > SOON_DAYS:
        return
    source = f" ({known.source_url})" if known.source_url else f" (by {', '.join(known.sources)})"
    successor = f". The provider names {known.successor!r} as its successor" if known.successor else ""
    if left <= 0:
        told = f"{model.pin.model!r} was to be retired on {known.retires_on}{source}{successor}"
        yield _finding(model, "retired", "error", told, "model")
    else:
        told = f"{model.pin.model!r} retires in {left} days, on {known.retires_on}{source}{successor}"
        yield _finding(model, "retires-soon", "warning", told, "model")


def _near(pin: Pin, known: PinCatalogue) -> str:
    """Return that an id is not listed, where the catalogue lists its provider's ids and rules say no more."""
    listed = [model.id for model in known.of(pin.provider)]
    if not listed or pin.model.startswith("ft:"):
        return ""
    return f"the catalogue of {known.checked_on} does not list {pin.model!r}.{nearest(pin.model, listed)}"


def _refused(model: DeclaredModel, known: KnownModel) -> Iterator[Finding]:
    for name in known.refused(model.spec.params, unset=model.spec.unset):
        told = f"{known.id!r} rejects {name!r}{known.unless} (by {', '.join(known.rejects_sources)})"
        remedy = f"write `unset: [{name}]`, which also takes out a prompt's"
        yield _finding(model, "rejected-parameter", "error", f"{told}: {remedy}", f"params/{name}")


def _is_free(spec: ModelSpec) -> bool:
    price = spec.price
    return price is not None and price.input == price.output == 0 and spec.provider not in _PLACES


def _fallbacks(
    catalogue: Catalogue, model: DeclaredModel, known: PinCatalogue, today: date
) -> Iterator[Finding]:
    if model.spec.fallback is None:
        return
    fallback = catalogue.resolve(model.spec.fallback)
    pin = pin_of(fallback, known, today=today)
    if not pin.is_pinned:
        floats = f"its fallback {fallback.name} is {_KINDS[pin.kind]}: {pin.evidence}"
        yield _finding(model, "fallback-floats", "warning", floats, "fallback")
    if (fallback.provider, fallback.base_url) == (model.spec.provider, model.spec.base_url):
        shared = f"its fallback {fallback.name} is served by {fallback.provider} too and fails with it"
        yield _finding(model, "fallback-shares-failure", "warning", shared, "fallback")
    left = _days_left(pin, today)
    if left is not None and left <= 0:
        gone = f"its fallback {fallback.name} was to be retired {-left} days ago"
        yield _finding(model, "fallback-retired", "error", gone, "fallback")


def _finding(model: DeclaredModel, rule: str, severity: Severity, message: str, key: str) -> Finding:
    return Finding(
        rule=rule.replace("_", "-"),
        severity=severity,
        model=model.name,
        message=message,
        part=model.part,
        key=key,
    )
