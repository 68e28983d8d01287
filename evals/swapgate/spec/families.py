"""Which family a model is of.

Judges favour answers of their own (Panickssery et al. 2024, arXiv 2404.13076).
"""

from __future__ import annotations

import re
from functools import cache

from swapgate.spec.models import ModelSpec

# How ids begin, after the maker's name where a service puts one in front (`meta-llama/Llama-3.3-70B`).
_BEGINNINGS = {
    "claude": r"claude",
    "gpt": r"gpt|chatgpt|o\d|text-davinci|codex",
    "gemini": r"gemini|gemma|palm|learnlm",
    "deepseek": r"deepseek",
    "mistral": r"mistral|mixtral|codestral|ministral|magistral|devstral|pixtral|voxtral",
    "grok": r"grok",
    "llama": r"(meta-)?llama|codellama",
    "qwen": r"qwen|qwq|qvq",
    "phi": r"phi",
    "command": r"command|c4ai|aya",
    "nova": r"nova",
    "kimi": r"kimi|moonshot",
    "glm": r"glm|chatglm",
    "smollm": r"smollm",
    "granite": r"granite",
    "nemotron": r"nemotron",
    "olmo": r"olmo",
    "jamba": r"jamba",
    "minimax": r"minimax|abab",
}
# Where the service is the maker's own.
_MAKERS = {
    "anthropic": "claude",
    "openai": "gpt",
    "gemini": "gemini",
    "google": "gemini",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "xai": "grok",
}


def family_of(spec: ModelSpec) -> str | None:
    """Return a model's family: as declared, by its id, else by its maker's service; None when unknown."""
    if spec.family is not None:
        return spec.family.strip().lower()
    # Bedrock writes `us.anthropic.claude-...-v1:0`, others `maker/model`.
    parts = (spec.model, *re.split(r"[/.:]", spec.model))
    found = (name for part in parts for name, starts in _families().items() if starts.match(part))
    return next(found, _MAKERS.get(spec.provider))


@cache
def _families() -> dict[str, re.Pattern[str]]:
    """Return what the ids of each family match, compiled when first asked: that takes some milliseconds."""
    return {name: re.compile(rf"({starts})(?![a-z])", re.IGNORECASE) for name, starts in _BEGINNINGS.items()}


def are_related(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether two models are of one family, or the same model under two names."""
    family = family_of(one)
    return (one.provider, one.model) == (other.provider, other.model) or (
        family is not None and family == family_of(other)
    )
