"""Model ids written into source code, where no pin, price or gate of models.yml reaches them."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from swapgate.here import git_says
from swapgate.pins.catalogue import PinCatalogue
from swapgate.spec.models import PROVIDER_OF_PREFIX
from swapgate.spec.settings import Settings
from swapgate.values import Value

SUFFIXES = frozenset({".py", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".tsx", ".yml", ".yaml"})
ALLOWED = "swapgate: allow-model"
MOST_BYTES = 1_000_000
_SKIPPED = frozenset(
    {"node_modules", ".git", ".venv", "venv", "site-packages", "dist", "build", "__pycache__"}
)
_QUOTED = re.compile(r"""(["'`])((?:(?!\1)[^\\\n]){3,80})\1""")
_VALUE = re.compile(r"""[:=]\s*["']?([A-Za-z0-9][\w./:@~-]{2,80})["']?\s*(?:#.*)?$""")
_LIST_ITEM = re.compile(r"""^\s*-\s+["']?([A-Za-z0-9][\w./:@~-]{2,80})["']?\s*(?:#.*)?$""")
# What ids of these providers look like: a family, then something with a digit, or `latest`.
_SHAPE = re.compile(
    r"^(?:gpt-\d|chatgpt-\d|o[134]-(?:mini|pro|preview|\d{4})|claude-(?:[a-z]+-)?\d|claude-instant"
    r"|gemini-(?:\d|[a-z-]+-latest)|deepseek-(?:chat|reasoner|coder|v\d|r\d)|grok-\d"
    r"|(?:mistral|ministral|magistral|codestral|devstral|pixtral)-[a-z]*-?(?:\d|latest))[\w.@:-]*$"
)
_OWNERS = frozenset({*PROVIDER_OF_PREFIX.values(), "google", "x-ai", "mistralai", "bedrock", "vertex_ai"})


class Mention(Value):
    """A model id in a file: `line` counts from 1. `is_known` says that the catalogue lists it."""

    path: Path
    line: int
    text: str
    is_known: bool


def scan_workspace(settings: Settings, known: PinCatalogue) -> Iterator[Mention]:
    """Yield the model ids in a workspace's source code, but for where models belong or are left alone."""
    places = (settings.models_file, *settings.cases_dirs, settings.judges_dir, settings.prompts_dir)
    skip = (*places, settings.reports_dir, settings.state_dir, *settings.code_ignore)
    return scan(settings.root.resolve(), known, skip=skip)


def scan(folder: Path, known: PinCatalogue, *, skip: Iterable[Path] = ()) -> Iterator[Mention]:
    """Yield the model ids in the source files below a folder, in order of path and line.

    Of a git repository only what is not ignored is read. `skip` are files and folders to leave out: those
    where models belong. A line with the comment `swapgate: allow-model` is left out too.
    """
    left_out = [path.resolve() for path in skip]
    ids = {model for _provider, model in known.models}
    for path in sorted(_files(folder)):
        if not any(path.is_relative_to(one) for one in left_out):
            yield from _mentions(path, ids)


def _files(folder: Path) -> Iterator[Path]:
    listed = _in_git(folder)
    found = folder.rglob("*") if listed is None else listed
    for path in found:
        parts = path.relative_to(folder).parts
        is_source = path.suffix in SUFFIXES or path.name == ".env" or path.name.startswith(".env.")
        if is_source and not _SKIPPED & set(parts) and path.is_file() and not path.is_symlink():
            yield path.resolve()


def _in_git(folder: Path) -> list[Path] | None:
    """Return the files that git knows or would add, None outside a repository."""
    listed = git_says(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if listed is None else [folder / name for name in listed.split("\0") if name]


def _mentions(path: Path, ids: set[str]) -> Iterator[Mention]:
    try:
        if path.stat().st_size > MOST_BYTES:
            return
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    lines = text.splitlines()
    for line, found in dict.fromkeys(_strings(path, text, lines)):
        name = _plain(found)
        if _is_model(name, ids) and ALLOWED not in (lines[line - 1] if line <= len(lines) else ""):
            yield Mention(path=path, line=line, text=found, is_known=name in ids)


def _strings(path: Path, text: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    if path.suffix == ".py":
        yield from _python_strings(text)
        return
    is_code = path.suffix in SUFFIXES - {".yml", ".yaml"}
    for number, line in enumerate(lines, 1):
        if is_code:
            yield from ((number, match[2]) for match in _QUOTED.finditer(line))
        elif match := _VALUE.search(line) or _LIST_ITEM.search(line):
            yield number, match[1]


def _python_strings(text: str) -> Iterator[tuple[int, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other people's escapes
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from (
            (number, match[2])
            for number, line in enumerate(text.splitlines(), 1)
            for match in _QUOTED.finditer(line)
        )
        return
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    yield from sorted((node.lineno, str(node.value)) for node in found)


def _plain(text: str) -> str:
    """Return an id without the provider that some libraries write before it: `openai/`, `anthropic:`."""
    owner, found, model = text.partition("/") if "/" in text else text.partition(":")
    return model if found and owner.lower() in _OWNERS else text


def _is_model(name: str, ids: set[str]) -> bool:
    # `o1` and `o3` alone are names of much else.
    return (name in ids and len(name) > 2) or _SHAPE.match(name) is not None
