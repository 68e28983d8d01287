"""wordllama: embeddings made in this process, of weights that come with its package."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from swapgate.spec.embedders import WORDLLAMA

_LOADING = threading.Lock()


def wordllama(texts: Sequence[str]) -> Any:
    """Return the vectors of 256 dimensions, one a text."""
    with _LOADING:
        model = _loaded()
    return model.embed(list(texts))


@cache
def _loaded() -> Any:
    # Weights and tokenizer come with the package: nothing is ever downloaded for a verdict. Version 0.4.0
    # looks for its own tokenizer in a folder of another name, and finds it as if it had been downloaded.
    package = importlib.import_module(WORDLLAMA)
    folder = Path(package.__file__ or "").parent
    return package.WordLlama.load(cache_dir=folder, disable_download=True)
