"""Whether a new index serves as well as the old one: both asked, labelled, and the differences decided on."""

from __future__ import annotations

from swapgate.retrieval.verifying.verification import Verification
from swapgate.retrieval.verifying.verify import verify

__all__ = ["Verification", "verify"]
