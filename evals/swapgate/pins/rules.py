"""The rules of each provider: what an id stands for, by its shape and by what the catalogue knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

from swapgate.pins.catalogue import PinCatalogue

PinClass = Literal["pinned", "provider_pinned_undated", "floating", "preview", "gateway_alias", "unknown"]
# The kind, the rule's name, and what it rests on.
Found = tuple[PinClass, str, str]
Rule = Callable[[str, PinCatalogue, date], Found]

OPENAI_DEPRECATIONS = "https://developers.openai.com/api/docs/deprecations"
ANTHROPIC_IDS = "https://platform.claude.com/docs/en/about-claude/models/overview"
GEMINI_IDS = "https://ai.google.dev/gemini-api/docs/models"
MISTRAL_IDS = "https://docs.mistral.ai/getting-started/models"
XAI_IDS = "https://docs.x.ai/docs/models"
DEEPSEEK_UPDATES = "https://api-docs.deepseek.com/updates"

_PREVIEW = re.compile(r"(?:^|[-_.])(?:preview|exp|experimental|beta|alpha|labs)(?:$|[-_.])")
_LATEST = re.compile(r"(?:^|[-_.:~])latest(?:$|-)")
_DASHED = re.compile(r"-(\d{4})-(\d{2})-(\d{2})$")
_PACKED = re.compile(r"[-@](\d{4})(\d{2})(\d{2})(?:-v\d+(?::\d+)?)?$")
_YEAR_MONTH = re.compile(r"-(\d{2})(\d{2})$")
_MONTH_DAY = re.compile(r"-(\d{2})(\d{2})(?:-|$)")
_VERSION = re.compile(r"^gpt-(\d+)(?:\.(\d+))?(-.+)?$")
_CLAUDE = re.compile(r"^claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?$")
_OLD_CLAUDE = re.compile(r"^claude-(\d)(?:[-.]\d)?(?:-[a-z]+)?$|^claude-instant")
_GEMINI = re.compile(r"^gemini-\d+(?:\.\d+)?-(?:pro|flash|flash-lite|nano|ultra)$")
_CLOUD = re.compile(r"^(?:(?:us|eu|apac|jp|au|ca|global)\.)?anthropic\.(?=claude-)")
# OpenAI writes snapshots of its oldest models with month and day alone.
_OLD_OPENAI = re.compile(r"^gpt-(?:3\.5|4)(?:-|$)")
# The ids of Mistral's own models; it serves those of others too.
_MISTRAL = re.compile(
    r"^(?:open-)?(?:mistral|mixtral|codestral|devstral|ministral|magistral|pixtral|voxtral)"
)
_FIRST_UNDATED = (5, 6)
_FIRST_PINNED_CLAUDE = (4, 6)


def _is_day(year: str, month: str, day: str, today: date) -> bool:
    """Whether digits are a day up to now: a snapshot is not from the future."""
    try:
        return date(2015, 1, 1) <= date(int(year), int(month), int(day)) <= today
    except ValueError:
        return False


def _is_dated(model: str, today: date) -> bool:
    found = _DASHED.search(model) or _PACKED.search(model)
    return found is not None and _is_day(found[1], found[2], found[3], today)


def _moving(model: str) -> Found | None:
    """Return what holds for every provider: `latest` moves, and what is not finished may change."""
    if _LATEST.search(model):
        return "floating", "latest", "`latest` moves to every new version"
    if _PREVIEW.search(model):
        return "preview", "preview", "a preview may change, and ends at short notice"
    return None


def _openai(model: str, catalogue: PinCatalogue, today: date) -> Found:
    if model.startswith("ft:"):
        kind, rule, evidence = _openai(model.split(":")[1], catalogue, today)
        return kind, f"fine-tuned-{rule}", f"the model that was tuned: {evidence}"
    if moving := _moving(model):
        return moving
    month_day = _MONTH_DAY.search(model) if _OLD_OPENAI.match(model) else None
    if _is_dated(model, today) or (month_day and 1 <= int(month_day[1]) <= 12):
        return "pinned", "dated", f"a dated snapshot ({OPENAI_DEPRECATIONS})"
    if snapshots := _snapshots(model, catalogue):
        return "floating", "has-dated-siblings", f"there are dated snapshots, such as {snapshots[-1]}"
    return _openai_undated(model, catalogue)


def _snapshots(model: str, catalogue: PinCatalogue) -> list[str]:
    """Return the dated ids of an undated one, the newest last."""
    dated = re.compile(rf"{re.escape(model)}-(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{4}})$")
    return sorted(known.id for known in catalogue.of("openai") if dated.match(known.id))


def _openai_undated(model: str, catalogue: PinCatalogue) -> Found:
    found = _VERSION.match(model)
    generation = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if found is None or generation < _FIRST_UNDATED:
        return "unknown", "undated", "undated, and no dated snapshot is known"
    if found[3] is None:
        return "floating", "generation-alias", "the generation alone stands for one of its variants"
    if catalogue.find("openai", model) is None:
        return "unknown", "undated", "undated, and not known to exist"
    return "provider_pinned_undated", "undated-since-5.6", "OpenAI dates no ids of this generation"


def _anthropic(model: str, catalogue: PinCatalogue, today: date) -> Found:
    plain = _CLOUD.sub("", model)
    if moving := _moving(plain):
        return moving
    if _is_dated(plain, today):
        return "pinned", "dated", f"a dated snapshot ({ANTHROPIC_IDS})"
    if found := _CLAUDE.match(plain):
        if (int(found[1]), int(found[2] or 0)) >= _FIRST_PINNED_CLAUDE:
            return "pinned", "dateless-since-4.6", f"from 4.6 on dateless ids are snapshots ({ANTHROPIC_IDS})"
        return "floating", "dateless-before-4.6", f"before 4.6 a dateless id is an alias ({ANTHROPIC_IDS})"
    if _OLD_CLAUDE.match(plain):
        return "floating", "dateless-before-4.6", f"before 4.6 a dateless id is an alias ({ANTHROPIC_IDS})"
    return "unknown", "shape", "no rule is known for an id of this shape"


def _gemini(model: str, catalogue: PinCatalogue, _today: date) -> Found:
    plain = model.removeprefix("models/")
    if moving := _moving(plain):
        return moving
    if re.search(r"-\d{3}$", plain):
        return "pinned", "numbered", f"a numbered version ({GEMINI_IDS})"
    if _GEMINI.match(plain) or catalogue.find("gemini", plain) is not None:
        return "pinned", "stable", f"a stable name stands for one model ({GEMINI_IDS})"
    return "unknown", "shape", "no rule is known for an id of this shape"


def _mistral(model: str, catalogue: PinCatalogue, _today: date) -> Found:
    if moving := _moving(model):
        return moving
    found = _YEAR_MONTH.search(model)
    if found and 23 <= int(found[1]) <= 39 and 1 <= int(found[2]) <= 12:
        return "pinned", "dated", f"year and month of the version ({MISTRAL_IDS})"
    if _MISTRAL.match(model) and catalogue.find("mistral", model) is not None:
        return "floating", "major", f"without year and month it moves to newer versions ({MISTRAL_IDS})"
    return "unknown", "shape", "no rule is known for an id of this shape"


def _deepseek(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    if model in {"deepseek-chat", "deepseek-reasoner", "deepseek-coder"}:
        return "floating", "alias", f"it has been pointed to newer models before ({DEEPSEEK_UPDATES})"
    if moving := _moving(model):
        return moving
    return "unknown", "undated", "DeepSeek offers no dated ids, and promises nothing of undated ones"


def _xai(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    if moving := _moving(model):
        return moving
    found = _MONTH_DAY.search(model)
    if found and 1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31:
        return "pinned", "dated", f"month and day of the version ({XAI_IDS})"
    if model.startswith("grok-"):
        return "floating", "stable-alias", f"a name without a date moves to the latest stable one ({XAI_IDS})"
    return "unknown", "shape", "no rule is known for an id of this shape"


def _openrouter(model: str, _catalogue: PinCatalogue, today: date) -> Found:
    if model.startswith("~") or _LATEST.search(model):
        return "floating", "latest", "`latest` moves to every new version"
    if _is_dated(model.partition(":")[0], today):
        return "pinned", "dated", "a dated id of the gateway"
    return "gateway_alias", "gateway", "the gateway decides which version and which host answer"


def _ollama(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    if "@sha256:" in model:
        return "pinned", "digest", "named by its digest"
    return "floating", "tag", "a tag can be pulled anew: name the digest"


def _gateway(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    return "gateway_alias", "gateway", f"whoever listens there decides what {model!r} means"


def _azure(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    return (
        "gateway_alias",
        "deployment",
        f"the deployment {model!r} has a version and may update it",
    )


def _weights(model: str, _catalogue: PinCatalogue, _today: date) -> Found:
    return "unknown", "open-weights", f"which weights and precision {model!r} stands for is the host's choice"


RULES: Mapping[str, Rule] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "google": _gemini,
    "mistral": _mistral,
    "deepseek": _deepseek,
    "xai": _xai,
    "openrouter": _openrouter,
    "ollama": _ollama,
    "azure": _azure,
    "openai-compatible": _gateway,
    "http": _gateway,
    "groq": _weights,
    "together": _weights,
    "fireworks": _weights,
    "vllm": _weights,
    "llamacpp": _weights,
    "lmstudio": _weights,
}
