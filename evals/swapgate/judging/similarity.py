"""The kind `similarity`: the cosine of the embeddings of an answer and its reference."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swapgate.checks import Subject
from swapgate.checks.imports import load_object
from swapgate.checks.options import OptionError
from swapgate.checks.python_check import UserCheckFailed, guarded
from swapgate.checks.wording import MISSING, resolve
from swapgate.judging.code_judge import CodeJudge, Measured
from swapgate.judging.subject import Judged, answer_text, as_text
from swapgate.judging.wordllama import wordllama
from swapgate.records import Json
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.judge_kinds import SimilaritySpec

INSTALL = "pip install 'swapgate[similarity]'"
Embed = Callable[[Sequence[str]], Any]


def similarity_judge(spec: SimilaritySpec, *, root: Path) -> CodeJudge:
    """Return the judge with its embedder found, but not yet loaded; raise OptionError at `embed`."""
    embed, source = find_embedder(spec.embed, root)

    def measure(subject: Subject) -> Measured:
        found: Measured = guarded(spec.judge, lambda: _measured(subject, spec, embed), noun="judge")
        return found

    return CodeJudge(spec, measure, source=source)


def is_installed() -> bool:
    """Whether the embedder that needs no function of the user's is there."""
    return importlib.util.find_spec(WORDLLAMA) is not None


def find_embedder(embed: str, root: Path) -> tuple[Embed, str]:
    """Return the function from texts to vectors, and what to call it; raise OptionError at `embed`."""
    if embed == WORDLLAMA:
        if not is_installed():
            raise OptionError(
                f"{WORDLLAMA} is not installed. Run: {INSTALL}, or name a function of yours: "
                "embed: package.module:name",
                "embed",
            )
        return wordllama, f"{WORDLLAMA} {importlib.metadata.version(WORDLLAMA)}"
    if ":" not in embed:
        message = f"wanted {WORDLLAMA!r} or a function of yours as package.module:name, got {embed!r}"
        raise OptionError(message, "embed")
    function = load_object(embed, root=root, key="embed")
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise OptionError(f"{embed!r} is not a plain function from a list of texts to vectors", "embed")
    return function, embed


def _measured(subject: Subject, spec: SimilaritySpec, embed: Embed) -> Measured:
    ours, theirs = _texts(subject, spec)
    if Judged(output=ours, expected=theirs).is_trivial:
        return Measured(scores={"similarity": 0.0}, reason="empty answer")
    return Measured(scores={"similarity": _cosine(spec, embed([ours, theirs]))})


def _texts(subject: Subject, spec: SimilaritySpec) -> tuple[str, str]:
    """Return what is compared: the answer and the reference, or one field of both."""
    if spec.pointer is None:
        return answer_text(subject.response), as_text(subject.expected)
    wanted = resolve(subject.expected, spec.pointer)
    if wanted is MISSING:
        raise UserCheckFailed(
            f"the case's `expected` has nothing at {spec.pointer}", check=spec.judge, noun="judge"
        )
    got: Json = resolve(subject.reading.recovered, spec.pointer)
    return "" if got is MISSING else as_text(got), as_text(wanted)


def _cosine(spec: SimilaritySpec, vectors: Any) -> float:
    import numpy as np

    found = np.asarray(vectors, dtype=np.float64)
    if found.ndim != 2 or len(found) != 2 or not np.isfinite(found).all():
        raise UserCheckFailed(
            f"`embed` must return one vector of finite numbers for each of 2 texts, got shape {found.shape}",
            check=spec.judge,
            noun="judge",
        )
    return cosine_of(*found)


def cosine_of(one: Any, other: Any) -> float:
    """Return the cosine of two vectors."""
    import numpy as np

    size = np.linalg.norm(one) * np.linalg.norm(other)
    if not size:
        return 0.0  # nothing of the text is known to the embedder: alike to nothing
    return float(np.clip(np.dot(one, other) / size, -1, 1))
