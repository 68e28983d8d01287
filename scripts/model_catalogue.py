"""Rebuild evals/swapgate/pins/catalogue.json from public data: which model ids exist, and when they retire.

    pip download --no-deps litellm
    unzip -o litellm-*.whl litellm/model_prices_and_context_window_backup.json
    python scripts/model_catalogue.py litellm/*_backup.json --litellm-version 1.110.2

Three sources: the ids that the `openai` and `anthropic` packages name, with the shutdown dates in their
sources, and LiteLLM's table of models (MIT), which cites the provider's page for each date. The providers'
own packages win where two dates differ, and every difference is printed.

Which parameters a model refuses is LiteLLM's: of its table, and for OpenAI's reasoning models of its code
(`gpt_reasoning_transformation.py` and `o_series_transformation.py` in llms/openai/chat), which OpenAI's
guides confirm for the models that they name.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "evals" / "swapgate" / "pins" / "catalogue.json"
# LiteLLM's name of a provider, and what stands before its ids there.
PROVIDERS = {
    "openai": ("openai", ""),
    "anthropic": ("anthropic", ""),
    "gemini": ("gemini", "gemini/"),
    "mistral": ("mistral", "mistral/"),
    "deepseek": ("deepseek", "deepseek/"),
    "xai": ("xai", "xai/"),
    "groq": ("groq", "groq/"),
}
MODES = {"chat", "responses"}
SAMPLING = ("temperature", "top_p", "top_k")
REASONING = ("temperature", "top_p", "logprobs", "top_logprobs")
O_SERIES = (*REASONING, "presence_penalty", "frequency_penalty")
GUIDES = (
    "https://developers.openai.com/api/docs/guides/latest-model?model=gpt-5.4 (parameter compatibility) and "
    "https://developers.openai.com/api/docs/guides/latest-model (GPT-6, update API and model parameters)"
)
IN_GUIDES = {
    *("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.4"),
    *("gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6.1-sol"),
}
Entry = dict[str, Any]


def package_file(package: str, path: str) -> Path:
    """Return a file of an installed package, without importing it."""
    found = find_spec(package)
    assert found is not None, f"pip install {package}"
    assert found.origin is not None
    return Path(found.origin).parent / path


def literals(path: Path) -> Iterator[str]:
    """Yield the strings inside `Literal[...]` of a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            yield from (n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant))


def openai_models() -> Iterator[tuple[str, Entry]]:
    """Yield OpenAI's ids, with the shutdown dates that the docstring of its list announces."""
    path = package_file("openai", "types/shared/chat_model.py")
    told = path.read_text(encoding="utf-8").rpartition('"""Deprecated values:')[2]
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n- ", told)]
    dates: dict[str, str] = {}
    absent: set[str] = set()
    for paragraph in paragraphs:
        ids = re.findall(r'"([^"]+)"', paragraph.partition(":")[0])
        if found := re.search(r"shutdown date: (\d{4}-\d{2}-\d{2})", paragraph):
            dates |= dict.fromkeys(ids, found[1])
        elif "Not a supported model ID" in paragraph:
            absent |= set(ids)
    names = [*literals(path), *literals(package_file("openai", "types/shared/all_models.py"))]
    for name in dict.fromkeys(names):
        if name not in absent:
            yield name, {"retires_on": dates[name]} if name in dates else {}


def anthropic_models() -> Iterator[tuple[str, Entry]]:
    """Yield Anthropic's ids, with the dates of its package's own warnings."""
    path = package_file("anthropic", "_data/deprecated_models.py")
    (written,) = (
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AnnAssign) and node.value is not None
    )
    dates = {name: _day(text) for name, text in ast.literal_eval(written).items()}
    for name in dict.fromkeys([*literals(package_file("anthropic", "types/model.py")), *dates]):
        yield name, {"retires_on": dates[name]} if name in dates else {}


def _day(text: str) -> str:
    """Return `January 22nd, 2027` as an ISO date."""
    plain = re.sub(r"(\d)(st|nd|rd|th)", r"\1", text)
    return datetime.strptime(plain, "%B %d, %Y").replace(tzinfo=UTC).date().isoformat()


def litellm_models(table: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Entry]]:
    """Yield provider, id and what LiteLLM's table says of it."""
    for key, row in table.items():
        provider, prefix = PROVIDERS.get(row.get("litellm_provider", ""), ("", ""))
        name = key.removeprefix(prefix)
        if not provider or row.get("mode") not in MODES or "/container" in key:
            continue
        entry: Entry = {}
        if "deprecation_date" in row:
            entry["retires_on"] = row["deprecation_date"]
        if "deprecation_source" in row:
            entry["source_url"] = row["deprecation_source"]
        if "successor_model" in row:
            entry["successor"] = row["successor_model"].removeprefix(prefix)
        if row.get("supports_sampling_params") is False:
            entry |= {"rejects": list(SAMPLING), "rejects_sources": ["litellm"]}
        if provider == "openai":
            entry |= reasoning_parameters(name, row)
        yield provider, name, entry


def reasoning_parameters(name: str, row: Mapping[str, Any]) -> Entry:
    """Return what one of OpenAI's reasoning models refuses; nothing where LiteLLM's row does not tell.

    `unless_effort` are the efforts with which it takes all of it, null for the one that it has by itself.
    """
    sources = ["litellm"]
    if re.match(r"o\d", name):
        return {"rejects": list(O_SERIES), "rejects_sources": sources, "accepts": {"temperature": 1}}
    # LiteLLM takes these two out of the rule, and says nothing of chat models without the flag.
    if "supports_none_reasoning_effort" not in row or "gpt-5-chat" in name or "-search-" in name:
        return {}
    if re.sub(r"-\d{4}-\d\d-\d\d$", "", name) in IN_GUIDES:
        sources.append("openai-guides")
    told: Entry = {"rejects": list(REASONING), "rejects_sources": sources, "accepts": {"temperature": 1}}
    if row["supports_none_reasoning_effort"]:
        told["unless_effort"] = ["none"]
    if row.get("default_reasoning_effort") == "none":
        told["unless_effort"].append(None)
    return told


def build(table: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """Return one entry a model, the providers' own packages over LiteLLM's table."""
    models: dict[tuple[str, str], Entry] = {}
    for provider, name, entry in litellm_models(table):
        models[provider, name] = {"sources": ["litellm"], **entry}
    for provider, found in (("openai", openai_models()), ("anthropic", anthropic_models())):
        for name, entry in found:
            before = models.setdefault((provider, name), {"sources": []})
            before["sources"].append(provider)
            told = before.get("retires_on")
            if entry and told not in {None, entry["retires_on"]}:
                print(f"{provider} {name}: {told} in litellm; kept {entry['retires_on']} of its own package")
                before.pop("source_url", None)
            before.update(entry)
    return [{"provider": p, "id": name, **entry} for (p, name), entry in sorted(models.items())]


def main() -> int:
    """Write the catalogue, one model a line so that a change is read as a diff."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="LiteLLM's model_prices_and_context_window_backup.json")
    parser.add_argument("--litellm-version", required=True)
    parser.add_argument("--to", type=Path, default=TARGET)
    options = parser.parse_args()
    models = build(json.loads(options.table.read_text(encoding="utf-8")))
    sources = {
        "openai": f"types/shared/chat_model.py and all_models.py of the openai package {version('openai')}",
        "anthropic": f"types/model.py and _data of the anthropic package {version('anthropic')}",
        "openai-guides": GUIDES,
        "litellm": f"model_prices_and_context_window_backup.json of litellm {options.litellm_version} (MIT)",
    }
    head = json.dumps({"checked_on": date.today().isoformat(), "sources": sources}, indent=1)  # noqa: DTZ011
    lines = ",\n  ".join(json.dumps(model, ensure_ascii=False) for model in models)
    listed = f'"models": [\n  {lines}\n ]'
    options.to.write_text(f"{head.removesuffix('}').rstrip()},\n {listed}\n}}\n", encoding="utf-8")
    print(f"{options.to}: {len(models)} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
