"""Exchanges compared by code: finish, refusal, structure, tools, deciding fields, lengths, similarity."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.checks import Subject
from swapgate.checks.options import OptionError
from swapgate.checks.python_check import guarded
from swapgate.engine.workspace import Workspace
from swapgate.errors import UsageError
from swapgate.judging.similarity import Embed, cosine_of, find_embedder, is_installed
from swapgate.judging.subject import answer_text
from swapgate.records import Json, content_hash
from swapgate.shadow.comparing.likeness import Comparison, Likeness
from swapgate.shadow.comparing.structure import Structure, find_structure, subject
from swapgate.shadow.records import Exchange, Leg
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.shadow_criteria import Comparing
from swapgate.values import Value

NO_SIMILARITY = "none"
_MOST_EMBEDDED = 20_000  # characters of an answer


class _Seen(Value):
    """A leg with its answer as checks look at it, None without words, and the checks that it fails."""

    leg: Leg
    subject: Subject | None
    failed: tuple[str, ...] | None

    @property
    def text(self) -> str:
        """The answer to be embedded."""
        return "" if self.subject is None else answer_text(self.subject.response)[:_MOST_EMBEDDED]


class Comparer(Value):
    """Compares the exchanges of one route. `basis` is a hash of how it does."""

    structure: Structure
    embed: Embed | None
    basis: str

    def compare(self, exchange: Exchange) -> Comparison:
        """Return what is to be said of an exchange; best while its content is at hand.

        Without content finish, refusal, tools, lengths and equal texts are compared all the same. Where the
        control has no answer there is nothing to compare with; what checks say of the one that served stays.
        """
        legs = (exchange.control, exchange.candidate, exchange.again)
        control, candidate, again = (self._seen(leg) for leg in legs)
        return Comparison(
            basis=self.basis,
            candidate=self._likeness(control, candidate),
            again=self._likeness(control, again),
            control_failed=_failed(control),
            candidate_failed=_failed(candidate),
            again_failed=_failed(again),
        )

    def _seen(self, leg: Leg | None) -> _Seen | None:
        if leg is None:
            return None
        has_words = leg.has_answer and (leg.text is not None or bool(leg.tool_calls))
        answer = subject(leg) if has_words else None
        return _Seen(leg=leg, subject=answer, failed=self.structure.failed(answer) if answer else None)

    def _likeness(self, control: _Seen | None, other: _Seen | None) -> Likeness | None:
        if control is None or other is None or not control.leg.has_answer:
            return None
        one, two = control.leg, other.leg
        if not two.has_answer:
            # A filter before the model is a refusal without an answer.
            same = one.is_refusal if two.is_refusal else None
            return Likeness(is_answer=two.is_refusal, same_refusal=same)
        ours, theirs = control.subject, other.subject
        calls = one.tools_hash or two.tools_hash
        return Likeness(
            is_answer=True,
            same_refusal=one.is_refusal == two.is_refusal,
            same_finish=one.finish_reason == two.finish_reason,
            same_structure=_same_outcome(control.failed, other.failed),
            same_tools=one.tools_hash == two.tools_hash if calls else None,
            same_fields=self.structure.same_fields(ours, theirs) if ours and theirs else {},
            same_text=one.text_hash == two.text_hash if two.text_hash else None,
            similarity=self._similarity(control, other),
            length_ratio=two.chars / one.chars if one.chars and two.chars is not None else None,
        )

    def _similarity(self, control: _Seen, other: _Seen) -> float | None:
        if self.embed is None or other.subject is None or not control.text.strip():
            return None
        if control.text == other.text:
            return 1.0
        if not other.text.strip():
            return 0.0
        embed, texts = self.embed, [control.text, other.text]
        return float(guarded("similarity", lambda: cosine_of(*embed(texts)), noun="embedder"))


def open_comparer(workspace: Workspace, comparing: Comparing) -> Comparer:
    """Return who compares a route; UsageError where the suite or the embedder is not there."""
    structure = find_structure(workspace, comparing.suite, comparing.decisions)
    embed, source = _embedder(comparing.similarity, workspace)
    checks: list[Json] = [check.name for check in structure.checks]
    basis = content_hash([comparing.suite, checks, list(structure.decisions), source])[:16]
    return Comparer(structure=structure, embed=embed, basis=basis)


def _failed(seen: _Seen | None) -> tuple[str, ...] | None:
    return None if seen is None else seen.failed


def _same_outcome(one: Sequence[str] | None, other: Sequence[str] | None) -> bool | None:
    return None if one is None or other is None else bool(one) == bool(other)


def _embedder(wanted: str | None, workspace: Workspace) -> tuple[Embed | None, str | None]:
    if wanted == NO_SIMILARITY or (wanted is None and not is_installed()):
        return None, None
    try:
        return find_embedder(wanted or WORDLLAMA, workspace.settings.root)
    except OptionError as exc:
        raise UsageError(f"`similarity` in `compare`: {exc}") from exc
