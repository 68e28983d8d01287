"""Streamed content of Gemini: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from swapgate.providers._told import Beside, Told
from swapgate.records import Json


class ContentStream:
    """Puts the pieces of generated content together; other candidates than the first are left out.

    Nothing but the end of the exchange says that no piece is to come any more.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.is_whole = False
        self._head: dict[str, Json] = {}
        self._texts: list[str] = []
        self._calls: list[Json] = []
        self._finish: str | None = None
        self._has_candidate = False

    def add(self, event: Json) -> int:
        """Take a piece in and return how many characters of the answer it brought."""
        piece = _Piece.model_validate(event)
        self._head |= {name: value for name in _HEAD if (value := getattr(piece, name)) is not None}
        self.is_whole = self.is_whole or bool((piece.promptFeedback or {}).get("blockReason"))
        candidate = next((c for c in piece.candidates if c.index == 0), None)
        if candidate is None:
            return 0
        self._has_candidate = True
        if candidate.finishReason:
            self._finish, self.is_whole = candidate.finishReason, True
        parts = candidate.content.parts if candidate.content else []
        return sum(self._add_part(part) for part in parts)

    def body(self) -> Json:
        """Return the content as it comes in one piece."""
        if not self._has_candidate:
            return self._head
        parts: list[Json] = [{"text": "".join(self._texts)}, *({"functionCall": c} for c in self._calls)]
        candidate: Json = {"content": {"parts": parts}, "finishReason": self._finish}
        return {**self._head, "candidates": [candidate]}

    def _add_part(self, part: _PiecePart) -> int:
        if part.functionCall is not None:
            self._calls.append(part.functionCall)
            return len(str(part.functionCall))
        if part.thought or not part.text:
            return 0
        self._texts.append(part.text)
        return len(part.text)


class _PiecePart(Told):
    text: str | None = None
    thought: bool = False
    functionCall: dict[str, Any] | None = None  # noqa: N815 - as on the wire


class _PieceContent(Told):
    parts: list[_PiecePart] = Field(default_factory=list)


class _PieceCandidate(Told):
    index: int = 0
    content: _PieceContent | None = None
    finishReason: str | None = None  # noqa: N815 - as on the wire


_HEAD = ("promptFeedback", "usageMetadata", "modelVersion", "responseId")


class _Piece(Told):
    candidates: list[_PieceCandidate] = Field(default_factory=list)
    promptFeedback: dict[str, Any] | None = None  # noqa: N815 - as on the wire
    usageMetadata: Annotated[dict[str, Any] | None, Beside] = None  # noqa: N815 - as on the wire
    modelVersion: str | None = None  # noqa: N815 - as on the wire
    responseId: str | None = None  # noqa: N815 - as on the wire
